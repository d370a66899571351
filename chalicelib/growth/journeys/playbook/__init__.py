"""The journeys that the mall brings with it: the ladder, renewal, welcome and others."""
