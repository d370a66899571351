"""Walks through those who are in a journey: to take them up again, out, or over into another version."""
