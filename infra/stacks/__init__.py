"""The stacks, one for each rate of change: the network hardly ever, the fleet with each release."""
