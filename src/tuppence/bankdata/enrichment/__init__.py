"""Finds the merchant and the category of a payment from the bank's description.

    a description -> words -> a known brand, or words that suggest a category -> a finding

The same description always gives the same finding; `Enricher.version` identifies the lists and the
model that findings depend on.
"""
