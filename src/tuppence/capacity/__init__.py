"""The composition of a fleet and its cost, computed from prices and measured work."""
