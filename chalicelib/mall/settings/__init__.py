"""The merchant's settings: sections that wings declare, and that change while the mall runs."""
