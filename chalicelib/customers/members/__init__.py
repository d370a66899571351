"""Members: who they are, where they came from, where their parcels go."""
