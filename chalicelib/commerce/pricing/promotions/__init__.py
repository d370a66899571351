"""What comes off without being asked for."""
