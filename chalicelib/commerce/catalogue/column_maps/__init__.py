"""Columns of other programs: which of them is which of ours, and how rows make products."""
