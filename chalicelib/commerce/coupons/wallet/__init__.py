"""A member's coupons."""
