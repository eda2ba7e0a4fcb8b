"""Models for flow, depth and embeddings behind small Protocols; see `base`."""
