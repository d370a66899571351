"""Members whom an operator lets come in."""
