"""The console: people write rules and see at once what these do to everybody."""
