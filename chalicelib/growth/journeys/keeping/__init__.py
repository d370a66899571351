"""Writing a run with all that goes with it."""
