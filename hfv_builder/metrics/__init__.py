"""The formulas of `docs/formulas.md` as functions on tensors. They load no model and read no file."""
