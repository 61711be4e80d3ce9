"""Facts that rules read: their typed schema, columnar batches, and the ports that deliver them."""
