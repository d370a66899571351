"""Malls that bench/http.py can drive: a module for each."""
