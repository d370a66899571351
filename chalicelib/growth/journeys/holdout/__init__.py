"""Who is only looked at, to see what journeys bring."""
