"""Facts that follow from other facts as of a date.

Each has two implementations: a columnar one, for the whole batches of the columnar engine, and a
reference in plain Python, for the rows of one customer:

    balances    last known balance of each account
    history     days of history of each customer
    repeats     transactions that repeat one of a few days before
    payees      payees of payments; with them `groups` of payments of one account and payee
    chains      payments that seem to follow each other, found by `linking` and as several `dues`
    streams     bills, subscriptions and incomes, chosen from chains and measured by `measures`
    forecasts   balance of each account on the next pay day
    merchants   payments that stand out at their merchant, and full prices after a trial
    categories  the category whose spending stands out; `standouts` says when an amount does

The first three have both implementations in one module. The references of the others are modules of
their own, such as `streams_reference`, which share no code with the columnar ones. `tables` adds
derived columns to a batch; `context` computes all derived facts of one customer by the references,
as FEEL values.
"""
