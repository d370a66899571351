"""Two members turn out to be one person: their orders."""
