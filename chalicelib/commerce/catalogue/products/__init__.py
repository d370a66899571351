"""Products: created, changed, published, shown."""
