"""Links to share."""
