"""Train detectors on a release, and evaluate them."""
