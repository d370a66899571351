"""How much may be withdrawn, and what is kept back of it."""
