"""The catalogue in and out as files."""
