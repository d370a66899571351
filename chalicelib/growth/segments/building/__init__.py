"""Everybody is held against the book once more, in parts, while members go on changing."""
