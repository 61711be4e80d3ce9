"""Adapters that need no server: directories and SQLite."""
