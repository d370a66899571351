"""The coupon centre: what members claim by themselves."""
