"""What a bank's words about a payment mean: whom it was paid to, and what for.

    a text -> words -> a brand that is known, or words that look like a category -> a finding

The same words always give the same finding; `Enricher.version` names all that it rests on.
"""
