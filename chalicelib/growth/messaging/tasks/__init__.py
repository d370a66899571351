"""What staff are asked to do for a member: a call, mostly."""
