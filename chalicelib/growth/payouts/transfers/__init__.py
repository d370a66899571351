"""Withdrawals on their way through WeChat Pay."""
