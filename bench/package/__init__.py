"""What the package takes that is deployed: its cold start, and its part of what AWS allows to one stack."""
