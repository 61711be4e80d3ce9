"""What a fleet is made of, what it costs, and by what figures: prices and measured work."""
