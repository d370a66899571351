"""Who leaves and comes back is known for some time: what counts for each person once goes on where it stood."""
