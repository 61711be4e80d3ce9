"""Feeds: which insights a customer sees, in which order, and what becomes of them."""
