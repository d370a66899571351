"""What the mall costs: request units, CPU for each call, load over HTTP beside other malls, the cold start."""
