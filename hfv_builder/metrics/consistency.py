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
    return 0.5 * (_cosine(unit[1:], unit[:-1]).clamp(min=0) + _cosine(unit[1:], unit[:1]).clamp(min=0))


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """1 − ½ ‖a − b‖² of unit vectors: never above 1, and exactly 1 for equal ones, unlike their product."""
    return 1 - 0.5 * (a - b).square().sum(dim=1)


def inconsistency(background: Tensor, subject: Tensor) -> Tensor:
    """1 − ½ (C_background + C_subject) for each step: two (T − 1,) in [0, 1] to one."""
    return 1 - 0.5 * (background + subject)
