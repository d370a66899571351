"""How operators are admitted."""
