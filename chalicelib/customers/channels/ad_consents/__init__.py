"""Whether an ad platform may be told of a member: their own word."""
