"""Bank data in: files of many shapes, and a synthetic population to try things on."""
