"""What happens in the mall, heard for journeys."""
