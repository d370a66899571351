"""How members stand by all that is defined, for the wings above."""
