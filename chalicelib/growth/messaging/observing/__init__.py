"""What the wings below tell, and messages follow from."""
