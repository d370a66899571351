"""What must hold of a journey before it is published."""
