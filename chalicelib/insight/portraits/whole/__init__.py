"""All that the mall knows of one member, on one page."""
