"""Runs as operators look at them, and end them."""
