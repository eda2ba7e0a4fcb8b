"""Manifests and what they stand on: schemas, parts, replacements, locks and places."""
