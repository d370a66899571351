"""Operators' tools: run by a person against a mall, on this machine or deployed. Never deployed themselves."""
