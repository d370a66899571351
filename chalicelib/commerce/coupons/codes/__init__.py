"""Codes: made in batches, given out once, redeemed once."""
