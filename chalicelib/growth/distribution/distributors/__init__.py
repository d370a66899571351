"""Distributors."""
