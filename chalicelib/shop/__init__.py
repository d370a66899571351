"""The merchant's settings: rules that change while the mall runs."""
