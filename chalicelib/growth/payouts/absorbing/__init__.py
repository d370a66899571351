"""Withdrawals of a member who turned out to be another become that one's."""
