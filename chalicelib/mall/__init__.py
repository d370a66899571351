"""Who runs the mall, and what they set."""
