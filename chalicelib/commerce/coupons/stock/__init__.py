"""How many coupons of a template are left."""
