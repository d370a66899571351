"""Frozen lists of members, for coupons and messages."""
