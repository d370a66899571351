"""Coupons that runs give."""
