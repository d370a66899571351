"""Messages of two members who turned out to be one person."""
