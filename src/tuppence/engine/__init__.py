"""Evaluates a plan over facts: no input or output, no clock, no state."""
