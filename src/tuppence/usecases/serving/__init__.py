"""Evaluating customers on demand: what a rules engine does for the requests that it gets.

requests -> answering.py -> engines of ruleset_cache.py -> answers, as messages.py has them
             explaining.py
"""
