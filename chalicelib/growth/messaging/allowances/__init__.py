"""How many subscribe messages members have let through."""
