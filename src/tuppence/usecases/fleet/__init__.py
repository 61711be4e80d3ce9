"""A run by a fleet of small processes, none of which sees the whole of it.

    customers with a consent -> pages -> work items -> rules engines
    listing.py                  splitting.py           evaluating.py

Each step may be done twice, be broken off anywhere, and be done by several processes at once: every
message names what it is about, the ledger counts names and not messages, and pages are entered in
the ledger before they are sent. So what is expected is exact, and what is missing has a name: what
queues or engines give up is entered with its reason (`given_up.py`), and a run that is not begun,
not listed or not done in time is reported (`watching.py`).
"""
