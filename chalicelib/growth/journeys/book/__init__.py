"""The book: all journeys as they are, and what those listen to that somebody may be in."""
