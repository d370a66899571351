"""Distribution: who brought whom, and what they are paid for it."""
