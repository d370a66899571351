"""Runs whose wait is over."""
