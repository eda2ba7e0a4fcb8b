"""Properties of clips that need no scores: file kinds, sources, owners, prompts and formats."""
