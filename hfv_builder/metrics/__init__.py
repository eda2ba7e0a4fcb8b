"""The formulas of `design` §6 on tensors: no model, no file."""
