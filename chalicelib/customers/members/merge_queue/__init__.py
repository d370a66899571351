"""Operators decide whether two members are one person."""
