"""A message goes from one state into another, is counted, and whose it is hears of its end."""
