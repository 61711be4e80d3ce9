"""Trains the model that the package ships."""
