"""Consistency of frame embeddings over a clip, as VBench defines it for subject and background."""

import torch
from torch import Tensor


def consistency(vectors: Tensor) -> Tensor:
    """Return ½ (max(0, cos(f_t, f_{t−1})) + max(0, cos(f_t, f_0))) for t ≥ 1 (Huang et al., VBench, CVPR 2024).

    Args:
        vectors: (T, D) float, one feature vector per frame, T ≥ 2. They are L2-normalised here.

    Returns:
        (T − 1,) float64 in [0, 1]; the consistency C of the clip is their mean.
    """
    unit = torch.nn.functional.normalize(vectors.double(), dim=1)
    return 0.5 * (_cosine(unit[1:], unit[:-1]).clamp(min=0) + _cosine(unit[1:], unit[:1]).clamp(min=0))


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosine similarity of unit vectors as 1 − ½ ‖a − b‖².

    Unlike the dot product, this never exceeds 1 and is exactly 1 for equal vectors.
    """
    return 1 - 0.5 * (a - b).square().sum(dim=1)


def inconsistency(background: Tensor, subject: Tensor) -> Tensor:
    """Return 1 − ½ (C_background + C_subject) for each step: twice (T − 1,) in [0, 1] to (T − 1,) in [0, 1]."""
    return 1 - 0.5 * (background + subject)
