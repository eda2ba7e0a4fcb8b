"""The release of the demo: what its sources and its words are, the making, and the loading."""

import shutil
import tempfile
from pathlib import Path

from hfv_builder.release.name import ReleaseName
from hfv_builder.release.settings import FILE
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import put, writable
from pipelines.release.stage import release
from pipelines.split.stage import split
from pipelines.workers.cluster import Cluster

VARIANTS = ("control", "jpeg50")
"""Of the evaluation set."""
SOURCES = """# The sources of the demo: one to train with, one to evaluate with, and footage for both.
[demo-a]
name = "Demo A"
role = "train"
min_side = 216
licence = "Apache-2.0"
[demo-b]
name = "Demo B"
role = "eval"
min_side = 216
licence = "Apache-2.0"
[demo-real]
name = "Demo footage"
real = true
role = "train"
train = 12
min_side = 216
licence = "Apache-2.0"
"""
WORDS = """# What the release of the demo says of itself; `hfv release init` writes one for a release of your own.
title = "hfv-builder demo"
description = "Rendered clips of a figure, with known anomalies built in: to try the tools, not to train on."
licence = "apache-2.0"
licence_url = "https://www.apache.org/licenses/LICENSE-2.0"
url = "https://example.org/hfv-builder-demo"
date_published = "2026-01-01"
keywords = ["demo"]
citation = '''
@misc{hfv_builder_demo,
  title = {hfv-builder demo},
}
'''

[[creators]]
name = "hfv-builder"

[rai]
limitations = "The clips are drawn, so nothing about real generators follows from them."
biases = "One figure, a few actions, a few scenes."
personal_sensitive_information = "Nobody is in the clips."
use_cases = "Trying, testing and teaching."
social_impact = "None is expected."
"""


def prepare(manifests: Manifests) -> None:
    """Write what `hfv split --protocol hfv` and `hfv release` need to know beside the manifests."""
    folder = writable(manifests.root)
    put(folder / "sources.toml", SOURCES)
    put(folder / FILE, WORDS)


def split_and_release(manifests: Manifests, out: Path, cluster: Cluster) -> Path:
    """Split by the paper's protocol and make a release with variants in `out`; one of an earlier run is replaced.

    Returns:
        The folder of the release.
    """
    split(manifests, protocol="hfv")
    name = ReleaseName(name="demo", version="1.0.0")
    shutil.rmtree(out / name.folder, ignore_errors=True)
    release(manifests, name, out=out, variants=VARIANTS, allow_lite=True, cluster=cluster)
    return out / name.folder


def load_with_datasets(release: Path) -> dict[str, int]:
    """Load every configuration of a release with `datasets`, as its users do.

    Returns:
        The number of clips by configuration, over all splits.
    """
    import datasets

    datasets.disable_progress_bars()
    folder = str(release)
    with tempfile.TemporaryDirectory() as cache:
        return {
            config: sum(map(len, datasets.load_dataset(folder, config, cache_dir=cache).values()))
            for config in datasets.get_dataset_config_names(folder)
        }
