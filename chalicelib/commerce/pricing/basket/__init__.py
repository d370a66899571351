"""What is bought, and what each line costs by now."""
