"""Predictions and labels to figures, tables and a page. Knows no detector."""
