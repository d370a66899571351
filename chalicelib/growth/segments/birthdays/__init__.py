"""On which day a birthday falls."""
