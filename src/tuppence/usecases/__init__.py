"""Use cases: a run of a ruleset over all customers, in pieces that can be done again."""
