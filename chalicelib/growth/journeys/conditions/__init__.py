"""What branches ask of a member."""
