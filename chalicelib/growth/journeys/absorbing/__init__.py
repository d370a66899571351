"""One member's runs becoming another's, who is the same person."""
