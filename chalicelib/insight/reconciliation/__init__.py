"""Reconciliation: WeChat's bills of a day held against the mall's own journal."""
