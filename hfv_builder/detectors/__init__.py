"""Detectors: classifiers that learn from a release and give each clip probabilities."""
