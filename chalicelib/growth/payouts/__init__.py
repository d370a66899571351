"""Payouts: withdrawals of what distributors earned, and their transfers."""
