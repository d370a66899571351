"""What members, events, orders, coupons and distribution tell of a member."""
