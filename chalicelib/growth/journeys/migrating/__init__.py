"""Runs that are taken over into another version of their journey."""
