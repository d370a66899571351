"""Definitions that this version of the mall cannot read: told to a person, and read again until they can be."""
