"""Conversions that an ad platform is told of, where the merchant and the member want that."""
