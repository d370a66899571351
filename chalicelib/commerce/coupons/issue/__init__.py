"""Issuing one coupon to one member."""
