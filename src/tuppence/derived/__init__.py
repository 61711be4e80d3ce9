"""Facts that follow from other facts as of a date.

Each has a columnar form, which the columnar engine uses for a whole batch, and a reference form,
which is plain Python over the rows of one customer:

    balances    last known balance of each account
    history     days of history of each customer
    repeats     transactions that repeat one of a few days before
    chains      payments that seem to follow each other, from which streams are chosen
    streams     bills, subscriptions and incomes
    forecasts   balance of each account on the next pay day

The first three have both forms in one module. The reference forms of the others are in modules of
their own (`streams_reference`), which share no code with the columnar ones. `tables` adds the
columnar forms to a batch, `context` gives one customer with all reference forms as FEEL values.
"""
