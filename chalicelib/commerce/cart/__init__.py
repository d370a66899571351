"""The cart of a member."""
