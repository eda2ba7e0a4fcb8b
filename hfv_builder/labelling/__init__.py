"""Functions on tables: scores to ranks and labels, reviews to final labels, labels to splits."""
