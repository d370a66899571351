"""What members are told of their orders, refunds, lobbies and coupons."""
