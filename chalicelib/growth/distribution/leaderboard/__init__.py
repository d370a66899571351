"""The leaderboard of a month."""
