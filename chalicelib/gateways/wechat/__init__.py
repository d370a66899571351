"""Clients of WeChat's servers: login, shipping, codes (mini), payments and refunds (pay), payouts (transfers).

Imported by who needs them.
"""
