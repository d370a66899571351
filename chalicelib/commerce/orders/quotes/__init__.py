"""Quotes: what keeps a line from being bought, and how a quote is told."""
