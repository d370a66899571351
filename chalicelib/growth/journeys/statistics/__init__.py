"""Whether a journey helped: its arms held against each other."""
