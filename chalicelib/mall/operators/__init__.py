"""Those who run the mall: their names, roles and permissions, and the log of all they do."""
