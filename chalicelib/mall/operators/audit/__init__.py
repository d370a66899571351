"""The operators' log."""
