"""The mall's own books of a day."""
