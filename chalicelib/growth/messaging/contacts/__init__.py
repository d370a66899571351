"""How a member may be written to: wishes, what was sent to them, and windows, in one item."""
