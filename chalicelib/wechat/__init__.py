"""Clients of WeChat's servers: login and shipping (mini), payments and refunds (pay). Imported by who needs them."""
