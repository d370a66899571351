"""What brings customers and keeps them: group-buy, distribution, payouts."""
