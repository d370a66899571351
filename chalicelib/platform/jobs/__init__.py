"""Durable jobs: scheduled in a transaction, run, retried, put aside when dead."""
