"""Journeys as operators write and publish them, let them rest and end them."""
