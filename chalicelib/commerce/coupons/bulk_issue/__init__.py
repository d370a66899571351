"""Issuing coupons to many members, in steps."""
