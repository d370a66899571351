"""One message to many members: a list of them, or an audience."""
