"""Why a member is in a segment, or is not."""
