"""How much of journeys' coupons one person gets."""
