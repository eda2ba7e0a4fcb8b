"""Pack the clips of a release into WebDataset shards, a task each."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from hfv_builder.records import UsageError
from hfv_builder.release.dataset import Dataset
from hfv_builder.release.media import Placed
from hfv_builder.release.shards import Shard, plan_shards, write_shard
from pipelines.release.staging import Staging, writing
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import run_shards

IMPORTS = ("pipelines.release.packing",)


def pack(dataset: Dataset, placed: Mapping[str, Placed], stage: Staging, cluster: Cluster) -> dict[str, str]:
    """Write the shards of all folders from clips that are in place.

    Returns:
        SHA-256 in hex of each shard, by path relative to the release.

    Raises:
        UsageError: one cannot be written.
    """
    sizes = {path: each.bytes for path, each in placed.items()}
    shards = [shard for folder, rows in dataset.by_folder.items() for shard in plan_shards(folder, rows, sizes)]
    work = partial(pack_shards, folder=stage.folder, out=stage.final.parent)
    sums: dict[str, str] = {}
    with (
        cluster.connect(imports=IMPORTS) as client,
        tqdm(total=len(shards), desc=f"pack {dataset.name.folder}", unit="shard", disable=None) as bar,
    ):
        for done in run_shards(client, work, ([shard] for shard in shards), lock=stage.lock, wait_s=cluster.wait_s):
            if done.result is None:
                raise UsageError(f"{done.items[0].path} cannot be packed: {done.error}")
            sums |= done.result
            bar.update(len(done.items))
    return dict(sorted(sums.items()))


def pack_shards(shards: Sequence[Shard], *, folder: Path, out: Path) -> dict[str, str]:
    """Write some shards; SHA-256 by path.

    Raises:
        UsageError: the release cannot be written.
    """
    with writing(out):
        return {shard.path: write_shard(shard, folder) for shard in shards}
