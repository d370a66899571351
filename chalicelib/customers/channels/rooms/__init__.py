"""Live rooms: who entered, who of them is a fan, what was bought."""
