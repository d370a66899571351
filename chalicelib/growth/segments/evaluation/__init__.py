"""Whether a rule holds for a member, and until when time alone does not change that."""
