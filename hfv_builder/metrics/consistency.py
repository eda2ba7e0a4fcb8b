"""Consistency of frame embeddings over a clip, as VBench measures it for subject and background."""

import torch
from torch import Tensor


def consistency(vectors: Tensor) -> Tensor:
    """½ (max(0, cos(f_t, f_{t−1})) + max(0, cos(f_t, f_0))) for t ≥ 1 (Huang et al., VBench, CVPR 2024).

    Args:
        vectors: (T, D) float, a feature per frame; T ≥ 2. They are L2-normalised here.

    Returns:
        (T − 1,) float64 in [0, 1]; the clip's consistency C is their mean.
    """
    unit = torch.nn.functional.normalize(vectors.double(), dim=1)
    before = (unit[1:] * unit[:-1]).sum(dim=1)
    start = unit[1:] @ unit[0]
    # Rounding can lift the cosine of equal vectors above one, and a score below zero would be nonsense.
    return 0.5 * (before.clamp(0, 1) + start.clamp(0, 1))


def inconsistency(background: Tensor, subject: Tensor) -> Tensor:
    """1 − ½ (C_background + C_subject) for each step: two (T − 1,) in [0, 1] to one."""
    return 1 - 0.5 * (background + subject)
