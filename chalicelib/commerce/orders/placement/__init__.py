"""Quoting and placing an order."""
