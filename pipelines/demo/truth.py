"""The file of the injected anomalies in the folder of a demo."""

TRUTH = "truth.csv"
"""Its name. A demo writes it first, so a folder without it is no demo's."""
