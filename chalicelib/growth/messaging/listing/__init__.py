"""Lists of messages, for operators and for their own members."""
