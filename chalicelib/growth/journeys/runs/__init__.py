"""The way of one member through a journey."""
