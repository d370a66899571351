"""A member proves on one phone that the account on another is theirs, too: by a code that one shows to the other."""
