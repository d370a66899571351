"""Handing a message to its platform, and what the answers mean."""
