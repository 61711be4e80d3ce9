"""Rules: the files people write, checked, and packed into immutable rulesets."""
