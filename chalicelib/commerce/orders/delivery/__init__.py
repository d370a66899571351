"""Shipping, receipt, completion."""
