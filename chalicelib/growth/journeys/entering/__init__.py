"""Members coming into journeys."""
