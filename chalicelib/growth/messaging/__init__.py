"""Messages: the right word to the right person, once, by the medium that may carry it."""
