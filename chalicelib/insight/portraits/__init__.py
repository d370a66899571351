"""A member seen whole: found by operators, and shown with all that the mall knows of them."""
