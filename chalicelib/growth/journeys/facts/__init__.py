"""What journeys hear of, and what each fact says of itself."""
