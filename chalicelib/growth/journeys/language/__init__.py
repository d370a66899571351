"""The language in which journeys are written."""
