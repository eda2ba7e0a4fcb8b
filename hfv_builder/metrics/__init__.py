"""The formulas of `docs/formulas.md` on tensors. No model, no file."""
