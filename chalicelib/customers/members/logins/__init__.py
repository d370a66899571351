"""Who logs in is recognised, joins, or turns out to be who follows the official account."""
