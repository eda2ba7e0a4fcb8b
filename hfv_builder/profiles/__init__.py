"""Profiles, which configure backends and parameters, and the fingerprints of their scores."""
