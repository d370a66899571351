"""Orders: placed, paid, shipped, received, refunded, closed."""
