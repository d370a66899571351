"""The steps of a journey."""
