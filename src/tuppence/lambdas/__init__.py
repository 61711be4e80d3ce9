"""The fleet's functions on AWS Lambda: one module with a handler each, which calls a use case.

Logs identify runs, pages and items by number, and errors by their code; they contain no personal
data.
"""
