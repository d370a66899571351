"""What a member agrees to, takes back, and wants."""
