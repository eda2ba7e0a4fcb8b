"""Checks of loaded models on rendered scenes whose flow and depth are known, and certificates to compare machines."""
