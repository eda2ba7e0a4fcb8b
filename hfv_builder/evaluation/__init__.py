"""Predictions and labels to figures, tables and a page. Does not import detectors."""
