"""Runs the whole platform on one machine, to try it out and for the integration tests."""
