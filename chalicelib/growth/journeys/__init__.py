"""Journeys: what happens to a member after what they did, step by step, once, and with proof that it helped."""
