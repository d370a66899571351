"""The tracking plan."""
