"""What operators find a member by."""
