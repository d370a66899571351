"""Refunds that two operators must agree on."""
