"""What messages say, and how each medium carries it."""
