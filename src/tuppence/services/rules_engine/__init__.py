"""The rules engine: stateless, so that any number of them can run."""
