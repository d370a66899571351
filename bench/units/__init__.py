"""Request units and CPU of calls, of whole orders and of their jobs, measured in this process."""
