"""Profiles: named, frozen choices of backends and parameters, and the fingerprint of each."""
