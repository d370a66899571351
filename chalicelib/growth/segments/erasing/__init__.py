"""A person is taken out of all segments."""
