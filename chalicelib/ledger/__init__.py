"""Double-entry journal of everything about money."""
