"""What is known of a person, for themselves to read."""
