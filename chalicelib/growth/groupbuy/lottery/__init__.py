"""Lotteries: drawn so that anybody can check."""
