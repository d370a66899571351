"""What things cost: freight templates and the quote."""
