"""A distributor, or a customer of one, turns out to be another member."""
