"""What stays of the orders of a member who has left."""
