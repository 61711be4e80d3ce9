"""A page that shows a person's feed as an app would, on the machine of whoever runs it."""
