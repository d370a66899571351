"""Tags: given by hand or by a rule, and what a member has of them."""
