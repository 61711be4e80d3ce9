"""What a rule may read: the typed schema, columnar batches, and the port they come through."""
