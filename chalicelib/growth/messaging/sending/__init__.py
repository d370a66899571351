"""Whether, when and by what a message goes out, and what became of the call."""
