"""Turns a checked ruleset into a plan: for the interpreter and, where it fits, for columns."""
