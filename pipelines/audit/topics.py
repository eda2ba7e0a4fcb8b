"""The activity and background of each clip by CLIP, from embeddings that scoring stored and the model's text tower."""

import pandas as pd

from hfv_builder.audit.near import Vectors
from hfv_builder.audit.shown_topics import nearest_topics, texts_of
from hfv_builder.audit.topics import Topics
from hfv_builder.backends.weights import FINE, WeightsDir

MODEL = "clip"
"""The backend whose embeddings can be compared with texts."""


def topics_of_clips(vectors: Vectors | None, topics: Topics, store: WeightsDir | None = None) -> pd.DataFrame | str:
    """Return the nearest name of each topic for each clip, or the sentence that says what is missing.

    Args:
        vectors: (n, D), the mean embedding of each clip by CLIP, NaN where there is none; None without any.
        topics: from `load_topics`.
        store: the directory of the weights; None takes the default directory.

    Raises:
        UsageError: the weights are damaged.
    """
    if vectors is None:
        return "no clip has an embedding of CLIP: run `hfv score --generator G --profile paper`"
    store = store or WeightsDir()
    if any(file.state not in FINE for file in store.look(MODEL)):
        return f"the text tower of CLIP is not in {store.root}: run `hfv weights pull`"
    try:
        from hfv_builder.backends.clip_text import embed_prompts, load_clip
    except ModuleNotFoundError as error:
        return f"the text tower of CLIP needs {error.name}: install with `pip install -e '.[models]'`"
    folder = store.open(MODEL)
    model = load_clip(folder)
    texts = {
        topic: embed_prompts(model, folder, [[text] for text in own]).numpy() for topic, own in texts_of(topics).items()
    }
    return nearest_topics(vectors, texts, topics)
