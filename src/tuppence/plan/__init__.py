"""A checked ruleset becomes a plan: for the interpreter, and, where it fits, for columns."""
