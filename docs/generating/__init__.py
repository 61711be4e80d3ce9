"""The generated pages of the documentation, a module for each subject; each yields its lines."""
