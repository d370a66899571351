"""The ways through a journey, and from one journey into another."""
