"""The demonstration mall: what `make run` puts into an empty mall, and the play of `make demo`."""
