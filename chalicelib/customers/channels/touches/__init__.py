"""The ways by which a member came, by time, and what an order keeps of them."""
