"""What an evaluation found, what of it is new, and the port that keeps it."""
