"""Lists of products: their keys, and the list that operators see."""
