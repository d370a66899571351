"""Yutang, the backend of a private-domain mall on WeChat."""
