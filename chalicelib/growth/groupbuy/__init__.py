"""Group-buy: activities, lobbies that cannot overfill, and how they end."""
