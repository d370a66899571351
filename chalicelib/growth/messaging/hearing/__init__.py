"""What platforms tell by themselves: what became of messages, what members chose, and what they write back."""
