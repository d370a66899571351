"""How a run goes from step to step."""
