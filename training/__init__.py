"""What is trained, and shipped trained."""
