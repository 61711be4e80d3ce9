"""From results to what a customer reads: rank, then render."""
