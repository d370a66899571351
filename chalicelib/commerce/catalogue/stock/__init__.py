"""Stock: counters, pools that are set aside, shards of popular SKUs."""
