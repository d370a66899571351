"""The messages of a journey, held against their templates."""
