"""HTTP services: each parses a request, calls a use case through ports, and replies."""
