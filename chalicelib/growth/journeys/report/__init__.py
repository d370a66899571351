"""What became of those who came in, and whether the journey helped."""
