"""Topics by CLIP: the activity and the background whose text is nearest to the frames; nothing is trained."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.audit.finding import Area, Estimate, Finding, Report
from hfv_builder.audit.limits import judge, not_computed
from hfv_builder.audit.topics import TOPICS, Topics, absent_names, evenness, named
from hfv_builder.wording import percent

LEAST = 20
"""Smallest number of clips with an embedding for a finding."""
BY_CLIP = "by CLIP"
"""End of the name of the counts of a topic."""
NAMES = {topic: f"evenness of {topic} by CLIP" for topic in TOPICS}

Vectors = npt.NDArray[np.float32]


def texts_of(topics: Topics) -> dict[str, list[str]]:
    """Return the sentences of each topic that clips are compared with, in the order of its names."""
    return {
        "activities": [f"a photo of a person, {name}" for name in topics["activities"]],
        "backgrounds": [f"a photo of a person, in the background: {name}" for name in topics["backgrounds"]],
    }


def nearest_topics(vectors: Vectors, texts: Mapping[str, Vectors], topics: Topics) -> pd.DataFrame:
    """Return the name of each topic whose text is nearest to each clip, null without an embedding.

    Args:
        vectors: (n, D), the L2-normalised mean embedding of each clip, NaN where there is none.
        texts: (k, D) for each topic, the L2-normalised embeddings of `texts_of`.
        topics: from `load_topics`.
    """
    known = np.isfinite(vectors).all(axis=1)
    columns = {}
    for topic, own in texts.items():
        names = np.array([*topics[topic]], dtype=object)
        column = np.full(len(vectors), None, dtype=object)
        column[known] = names[np.argmax(vectors[known] @ own.T, axis=1)]
        columns[topic] = column
    return pd.DataFrame(columns)


def by_pictures(clips: pd.DataFrame, topics: Topics, shown: pd.DataFrame | str) -> Report:
    """Return the findings on how evenly the clips cover the topics by CLIP; see `diversity`."""
    if isinstance(shown, str):
        return Report(area=Area.DIVERSITY, findings=(not_computed(NAMES["activities"], shown),))
    fake = clips[~clips["is_real"]]
    own = shown.loc[fake.index]
    known = own["activities"].notna()
    if known.sum() < LEAST:
        why = f"it needs {LEAST} generated clips with an embedding of CLIP, and there are {int(known.sum())}"
        return Report(area=Area.DIVERSITY, findings=(not_computed(NAMES["activities"], why),))
    findings, counts = [], {}
    for topic in TOPICS:
        count = own.loc[known, topic].value_counts().reindex([*topics[topic]], fill_value=0)
        findings.append(_evenness(topic, count, own.loc[known, topic], fake.loc[known, "prompt"], topics))
        counts[f"{topic} {BY_CLIP}"] = count.sort_values(ascending=False, kind="stable")
    return Report(area=Area.DIVERSITY, findings=tuple(findings), data={"counts": counts})


def _evenness(topic: str, count: pd.Series, shown: pd.Series, prompts: pd.Series, topics: Topics) -> Finding:
    value = evenness(count.to_numpy(np.int64))
    says = f"by CLIP the clips show {int((count > 0).sum())} of {len(count)} {topic}, with evenness {value:.2f}"
    says += absent_names(count)
    contained = named(prompts, topics[topic])
    single = contained.sum(axis=1).eq(1)
    if single.any():
        same = contained[single].idxmax(axis=1).eq(shown[single]).mean()
        says += f"; it agrees with {percent(same, 0)} of the {int(single.sum())} prompts that name one"
    advice = f"hfv select --balance {TOPICS[topic]}"
    return judge(NAMES[topic], "all", Estimate(value=value), says, advice=advice)
