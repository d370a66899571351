"""Commissions: made, taken back, released."""
