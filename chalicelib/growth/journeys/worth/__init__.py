"""What in a journey costs, and whether clients alone can bring it about without end."""
