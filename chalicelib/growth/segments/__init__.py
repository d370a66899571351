"""Which segments and tags a member has now: traits, rules, lists and counts."""
