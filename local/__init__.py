"""The whole platform on one machine: for trying it out, and for the integration tests."""
