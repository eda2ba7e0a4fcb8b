"""Checks of frame embeddings: similar frames must be nearer than different ones."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hfv_builder.backends.base import EmbeddingModel
from hfv_builder.trial.check import Check
from hfv_builder.trial.views import SCENES, beside

HEIGHT, WIDTH = 360, 480
EXPOSURE = 0.6
"""Brightness of the near view that is compared with other scenes, relative to the first view. Networks with random
weights react mainly to brightness, trained ones to the scene."""
MIRROR, SWAP = np.s_[:, ::-1], np.s_[..., ::-1]
"""Indices that mirror a frame, and that swap its red and its blue."""
ADVICE = "the weights are not those of a trained model, or its input has the wrong normalisation, channel order or size"


def check_embedding(model: EmbeddingModel, backend: str) -> Iterator[Check]:
    """Yield the checks of an embedding model: the smallest margins over all scenes."""
    views, near = (
        [scene.render(HEIGHT, WIDTH).rgb for scene in SCENES],
        [beside(scene).render(HEIGHT, WIDTH).rgb for scene in SCENES],
    )
    vectors, nearby, dim = embed(model, views), embed(model, near), embed(model, [_darker(view) for view in near])
    mirrored, recoloured = (embed(model, [view[index] for view in views]) for index in (MIRROR, SWAP))
    same = torch.eye(len(views), dtype=torch.bool)
    others = (dim @ vectors.T).masked_fill(same, -1).amax(1)
    for name, margins in (
        ("a darker near view is closer than another scene", (dim * vectors).sum(1) - others),
        ("a near view is closer than other colours", (vectors * (nearby - recoloured)).sum(1)),
        ("a near view is closer than the mirrored one", (vectors * (nearby - mirrored)).sum(1)),
    ):
        yield Check(model=backend, name=name, value=float(margins.amin()), limit=0.0, least=True, advice=ADVICE)


def embed(model: EmbeddingModel, frames: Sequence[npt.NDArray[np.uint8]]) -> Tensor:
    """Return the vectors of frames of one size, (n, D) float64."""
    embedding_pass = model.begin()
    embedding_pass.update(torch.from_numpy(np.ascontiguousarray(np.stack(frames))))
    return embedding_pass.compute().cpu().double()


def _darker(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.rint(EXPOSURE * rgb.astype(np.float64)).astype(np.uint8)
