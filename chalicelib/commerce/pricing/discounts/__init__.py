"""What coupons take off."""
