"""Taking the runs of one version over into another: tried first, then done."""
