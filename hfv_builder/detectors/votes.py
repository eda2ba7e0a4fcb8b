"""The class of a clip by the majority of its frames' votes; a tie goes to the larger mean decision value."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def vote(decisions: Floats) -> Floats:
    """Return the probabilities of a clip, (classes,) float64, that sum to 1.

    Each frame votes for the class with its largest decision value, the first of equal ones. The softmax of the mean
    decision values is added as one vote that is shared among the classes. Each class gets less than a full vote, so
    that this only decides ties and orders clips with equal votes.

    Args:
        decisions: (frames, classes), the decision values of each frame; at least one frame.
    """
    frames, classes = decisions.shape
    votes = np.bincount(decisions.argmax(axis=1), minlength=classes)
    mean = decisions.mean(axis=0)
    shared = np.exp(mean - mean.max())
    return np.asarray((votes + shared / shared.sum()) / (frames + 1))
