"""The feed as a service that an app calls."""
