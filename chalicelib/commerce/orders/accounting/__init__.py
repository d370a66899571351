"""What an order's money is made of."""
