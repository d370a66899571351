"""Journeys that the mall brings with it, to be copied and edited."""
