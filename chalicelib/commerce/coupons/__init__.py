"""Coupons: templates, what members hold, codes, grants."""
