"""What the mall has that a journey may name."""
