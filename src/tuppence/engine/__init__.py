"""Plan and facts in, results out: no input or output, no clock, no state."""
