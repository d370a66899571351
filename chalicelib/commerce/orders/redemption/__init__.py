"""The coupons of an order."""
