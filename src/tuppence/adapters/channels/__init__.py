"""Channels that tell people, or an app's backend, of new insights."""
