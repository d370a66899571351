"""Shared coupons."""
