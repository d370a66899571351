"""What coupons and promotions ask: in which segments a member is, and who is on a list."""
