"""What happened to a member, told to their runs."""
