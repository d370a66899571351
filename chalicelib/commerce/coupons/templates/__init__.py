"""Coupon templates."""
