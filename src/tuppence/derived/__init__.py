"""Facts that follow from other facts as of a date.

Each module has the columnar form, which the fast engine uses for a whole batch, and where it is
not the same code the reference form, which is plain Python over the rows of one customer:

    balances    last known balance of each account
    history     days of history of each customer
    repeats     transactions that repeat one of a few days before
    streams     bills, subscriptions and incomes
    forecasts   balance of each account on the next pay day

`tables` adds the columnar forms to a batch, `context` gives one customer with all of them as FEEL
values.
"""
