"""Stores at addresses: facts, consents and results as objects that many machines share."""
