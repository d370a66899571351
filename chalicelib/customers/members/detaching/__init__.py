"""An identity is taken out of a member again: it is somebody else's."""
