"""Compute the three scores of a clip and the evidence images for reviewers."""
