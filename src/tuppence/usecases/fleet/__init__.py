"""A run by a fleet of small processes, none of which sees the whole of it.

    customers with a consent -> pages -> work items -> rules engines
    listing.py                  splitting.py           evaluating.py

Each step may be done twice, be broken off anywhere, and be done by several processes at once: every
message names what it is about, the ledger counts names and not messages, and work is entered in the
ledger before it is sent on. So what is expected is exact, and what is missing has a name.
"""
