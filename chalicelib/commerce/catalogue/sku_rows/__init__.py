"""Files with a row for each SKU: which rows make a product, and what they say of it."""
