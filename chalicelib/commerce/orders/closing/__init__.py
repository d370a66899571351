"""Closing unpaid orders."""
