"""The language in which operators say who is in a segment."""
