"""Keeping lists, cards and counts in line with products and sales."""
