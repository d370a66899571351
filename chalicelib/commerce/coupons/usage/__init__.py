"""Counting what used coupons took off."""
