"""From frames to a clip: the majority of the frames' votes; a tie goes to the larger mean decision value."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def vote(decisions: Floats) -> Floats:
    """Return the probabilities of a clip, (classes,) float64, that sum to 1.

    Each frame votes for the class with its largest decision value, the first of equal ones. The mean decision values,
    as a softmax, count as one more vote that is shared: less than a vote, so it only decides ties, and it orders clips
    with equally many votes.

    Args:
        decisions: (frames, classes), the decision values of each frame; at least one frame.
    """
    frames, classes = decisions.shape
    votes = np.bincount(decisions.argmax(axis=1), minlength=classes)
    mean = decisions.mean(axis=0)
    shared = np.exp(mean - mean.max())
    return np.asarray((votes + shared / shared.sum()) / (frames + 1))
