"""Score a generator: every clip that has no score yet under this profile, each decoded once."""

import time
from collections.abc import Iterable

from hfv_builder.profiles.profile import Profile
from hfv_builder.records import METRICS, Metric
from hfv_builder.storage.manifest import Manifests
from pipelines.generators import clips_of, score_lock
from pipelines.outcome import Outcome
from pipelines.score.adopt import adopt_scores
from pipelines.score.compaction import compact
from pipelines.score.execution import execute
from pipelines.score.old_scores import move_old_scores
from pipelines.score.plan import NEEDED, clips_to_score, plan_run
from pipelines.score.summary import tally
from pipelines.workers.cluster import LOCAL, Cluster


def score(
    manifests: Manifests,
    generator: str,
    profile: Profile,
    *,
    metrics: Iterable[Metric] = METRICS,
    retry_failed: bool = False,
    cluster: Cluster = LOCAL,
    device: str | None = None,
    deadline_s: float | None = None,
) -> Outcome:
    """Score what is missing under this profile, then compact the rows of each metric, sorted by clip.

    Rows of other profiles are not touched. Rows of this profile under another fingerprint are replaced clip by clip,
    where the new score succeeds.

    Args:
        retry_failed: score clips again that failed under this profile before.
        cluster: where the tasks run; unless it says otherwise one local process a core or a GPU, as far as there is
            memory.
        device: `cpu` or `cuda`; None takes CUDA if the profile has learnt models and there is a GPU.
        deadline_s: how long one clip may take before it counts as failed; None takes what suits the profile.

    Raises:
        UsageError: the generator has no clips, or weights, the decoder or the GPU asked for are missing.
    """
    started = time.time()
    clips = clips_of(manifests, generator, NEEDED)
    run = plan_run(manifests, generator, profile, metrics, cluster, device=device, deadline_s=deadline_s)
    with manifests.lock(score_lock(generator)):
        move_old_scores(manifests, generator)
        # Parts of an interrupted run are compacted before new ones are added, so that added parts are always newer.
        compact(run, len(clips))
        copied = adopt_scores(run)
        todo = clips_to_score(run, clips, retry_failed=retry_failed)
        clips = clips.select(["clip_id", "path"])  # with a million clips every column takes noticeable memory
        scored = execute(run, todo, cluster)
        del todo
        compact(run, len(clips), at_end=True)
    return tally(run, clips, scored=scored, copied=copied, started=started)
