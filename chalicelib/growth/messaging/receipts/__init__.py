"""What platforms tell of messages later."""
