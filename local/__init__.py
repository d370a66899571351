"""The whole mall on one machine. Never deployed; nothing in chalicelib knows of it."""
