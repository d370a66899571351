"""Seats of lobbies, in the transactions of orders."""
