"""Runs: the way of one member through one version of a journey."""
