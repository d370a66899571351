"""Mutants of the rule modules: small faults planted one at a time, to see which of them the unit tests notice."""
