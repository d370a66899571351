"""What a member did before it was told by what they come into a journey."""
