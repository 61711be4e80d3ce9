"""Tuppence: bank data in, personal money insights out."""
