"""The fleet's functions on AWS Lambda: a handler each, over the use cases in `runs`.

Logs name runs, pages and items by number, and errors by their code: nothing about a person.
"""
