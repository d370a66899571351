"""What a person is shown of their runs."""
