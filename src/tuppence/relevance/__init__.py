"""The learned order of feeds: pure functions over columns of what people were shown and opened."""
