"""The lists and counts of members, brought up to date with what was decided of each."""
