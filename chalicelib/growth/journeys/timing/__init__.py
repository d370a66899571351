"""How long the waits of a journey are."""
