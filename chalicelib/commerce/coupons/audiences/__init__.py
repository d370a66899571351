"""Whom coupons are for."""
