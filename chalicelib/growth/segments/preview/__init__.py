"""How many members a rule would have, before it is kept."""
