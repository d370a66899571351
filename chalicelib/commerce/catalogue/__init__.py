"""Categories, products, SKUs, stock, listings and search."""
