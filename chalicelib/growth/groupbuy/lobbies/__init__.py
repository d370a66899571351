"""Lobbies: how they are seen and how they end."""
