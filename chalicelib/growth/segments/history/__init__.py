"""How many members a segment had, day by day."""
