"""What follows for a member from all definitions: which segments and tags, since when, and when to look again."""
