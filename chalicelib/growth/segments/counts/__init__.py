"""How many members a segment has."""
