"""Malls that bench/load/http.py can drive: a module for each."""
