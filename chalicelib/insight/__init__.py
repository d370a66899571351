"""What the books say: nothing below knows of it."""
