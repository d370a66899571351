"""What a member has bought in group-buys counts for who they turned out to be."""
