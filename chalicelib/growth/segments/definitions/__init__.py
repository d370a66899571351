"""Segments and tags as operators define them, and the book of all that are in force."""
