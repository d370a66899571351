"""What becomes of a distributor's balance that nobody will withdraw."""
