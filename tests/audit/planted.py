"""A table of clips without a fault, to which tests add one."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from hfv_builder.audit.labels import COMPONENTS
from hfv_builder.audit.leakage import NEAR
from hfv_builder.audit.topics import load_topics
from hfv_builder.labelling.labels import label_clips
from hfv_builder.records import METRICS

GENERATORS = ("kling", "pika", "sora")
SIZE = 120
"""Number of clips of each generator and of the real source."""
SIDES = ("train", "val", "test")


def clean(seed: int = 0) -> pd.DataFrame:
    """Return the clips of three generators and a real source with the same distribution of all facts.

    Every generated clip has a score beyond the range of real clips on one metric.
    """
    return _clean(seed).copy()


@cache
def _clean(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    count = SIZE * (len(GENERATORS) + 1)
    generator = np.repeat([*GENERATORS, "film"], SIZE)
    real = generator == "film"
    frames = rng.integers(48, 121, count)
    scores = rng.normal(1, 0.1, (count, 3))
    worst = rng.integers(0, 3, count)
    scores[np.arange(count), worst] += np.where(real, 0, rng.uniform(1.5, 3, count))
    prompts = _prompts()
    clips = pd.DataFrame(
        {
            "clip_id": [f"{number:016x}" for number in rng.permutation(count)],
            "generator": generator,
            "is_real": real,
            "path": [f"/clips/{number}.mp4" for number in range(count)],
            "bytes": frames * rng.integers(2000, 9000, count),
            "width": rng.choice([640, 1280], count),
            "height": 480,
            "fps": rng.choice([24.0, 30.0], count),
            "num_frames": frames,
            "fingerprint": "f",
            "codec": rng.choice(["h264", "hevc"], count),
            "prompt": [prompts[number % len(prompts)] for number in rng.permutation(count)],
            "split": rng.choice(SIDES, count),
            "brightness": rng.uniform(0.2, 0.8, count),
            "change": rng.uniform(0.01, 0.1, count),
            "decoded": frames,
            "missing": 0,
            "frozen": 0.0,
            "black": 0.0,
            "cuts": 0,
            "border": 0.0,
            "fixed": None,
            "person": rng.uniform(0.55, 0.99, count),
            "person_share": 1.0,
            "person_detector": "pose 1/1",
            **dict.fromkeys(COMPONENTS, np.nan),
            **{metric.value: scores[:, place] for place, metric in enumerate(METRICS)},
        }
    )
    clips["prompt_group"] = "g" + clips["clip_id"]
    clips[NEAR] = clips["clip_id"]
    clips["duration_s"] = clips["num_frames"] / clips["fps"]
    clips["pixels"] = clips["width"] * clips["height"]
    clips["bytes_per_frame"] = clips["bytes"] / clips["num_frames"]
    return labelled(clips)


def labelled(clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips with the labels that their scores give, which reviewers have all confirmed."""
    generated = clips[~clips["is_real"]]
    labels = label_clips(
        generated[["clip_id", "generator", *(metric.value for metric in METRICS)]].reset_index(drop=True)
    )
    columns: dict[str, Any] = {"auto_label": "Int32", "margin": "Int32", "group_size": "Int32", "tied": "boolean"}
    for name, dtype in columns.items():
        clips[name] = pd.array([pd.NA] * len(clips), dtype=dtype)
        clips.loc[generated.index, name] = labels[name].to_numpy()
    clips["final_label"] = clips["auto_label"]
    clips["reviewed"] = ~clips["is_real"]
    return clips


def _prompts() -> list[str]:
    topics = load_topics()
    activities, backgrounds = ([words[0] for words in topics[name].values()] for name in ("activities", "backgrounds"))
    return [f"a person, {word}, {backgrounds[number % len(backgrounds)]}" for number, word in enumerate(activities)]
