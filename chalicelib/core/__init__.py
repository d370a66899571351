"""Money, clock, ids, errors, settings, logs. Knows no other room."""
