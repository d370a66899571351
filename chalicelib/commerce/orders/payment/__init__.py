"""Paying an order."""
