"""Files of other programs as text and as rows of cells."""
