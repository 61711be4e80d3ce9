"""The composition root, where adapters meet ports: a module for each kind of installation."""
