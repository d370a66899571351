"""Uploaded files: pictures of members and of the shop, private until something uses them."""
