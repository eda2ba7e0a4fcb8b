"""The three scores of a clip, and the evidence for them."""
