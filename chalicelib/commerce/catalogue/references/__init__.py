"""Whether what others name is there."""
