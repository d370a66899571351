"""Templates whose coupons give goods for nothing, which two operators must agree on."""
