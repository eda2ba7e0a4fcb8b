"""A support vector machine over frame vectors whose votes decide the clip: the head of `clip-svm` and `ft-clip`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hfv_builder.detectors.base import Arrays, Evidence, Floats, Ints
from hfv_builder.detectors.kernels import Kernel, Machine, fit
from hfv_builder.detectors.votes import vote

KERNELS: tuple[Kernel, ...] = ("linear", "rbf", "poly")


def fit_frames(kernel: Kernel, clips: Arrays, classes: Ints, count: int, *, c: float, seed: int, exact: int) -> Machine:
    """Fit a machine to all frames of the clips; a frame has the class of its clip.

    Args:
        kernel: the kernel.
        clips: of each clip vectors (frames, D).
        classes: (n,), of the clips.
        count: the number of classes.
        c: the cost of a misclassified frame.
        seed: see `kernels.fit`.
        exact: see `kernels.fit`.
    """
    vectors = [unit(clips[place]) for place in range(len(clips))]
    frames = np.repeat(classes, [len(own) for own in vectors])
    return fit(kernel, np.concatenate(vectors), frames, count, c=c, seed=seed, exact=exact)


def vote_frames(machine: Machine, clips: Arrays) -> Floats:
    """Return the probabilities of each clip, (n, classes)."""
    batch = 256  # clips whose frames are classified together
    parts = []
    for start in range(0, len(clips), batch):
        own = [unit(clips[place]) for place in range(start, min(start + batch, len(clips)))]
        decisions = machine.decisions(np.concatenate(own))
        ends = np.cumsum([len(vectors) for vectors in own])[:-1]
        parts += [vote(frames) for frames in np.split(decisions, ends)]
    return np.stack(parts)


def frame_evidence(decisions: Floats) -> Evidence:
    """Return the evidence for a clip from the votes of its frames, without maps.

    Args:
        decisions: (frames, classes), the decision values of each frame.
    """
    views = np.stack([vote(frame[None]) for frame in decisions])
    return Evidence(probabilities=vote(decisions), views=views, view="frame")


def unit(vectors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the vectors L2-normalised, (n, D) float32; those of the cache were rounded to half precision."""
    full = vectors.astype(np.float32)
    length = np.linalg.norm(full, axis=1, keepdims=True)
    return np.asarray(np.divide(full, length, out=full, where=length > 0), np.float32)


def machine_arrays(machine: Machine) -> dict[str, npt.NDArray[Any]]:
    """Return the machine as arrays by name."""
    return {
        "kernel": np.array(KERNELS.index(machine.kernel)),
        "classes": np.array(machine.classes),
        "gamma": np.array(machine.gamma),
        "vectors": machine.vectors,
        "weights": machine.weights,
        "offsets": machine.offsets,
    }


def machine_of(arrays: Mapping[str, npt.NDArray[Any]]) -> Machine:
    """Return the machine that `machine_arrays` describes."""
    return Machine(
        kernel=KERNELS[int(arrays["kernel"])],
        classes=int(arrays["classes"]),
        gamma=float(arrays["gamma"]),
        vectors=arrays["vectors"],
        weights=arrays["weights"],
        offsets=arrays["offsets"],
    )
