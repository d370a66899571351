"""The one timer of each member: when time alone may change something of them."""
