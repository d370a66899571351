"""What journeys are for."""
