"""What an activity brought."""
