"""Who is bound to whom, as a member turns out to be another."""
