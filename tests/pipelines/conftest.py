"""Fixtures of the tests of stages. They share two workers, since starting processes takes most of a small run."""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place, place
from pipelines.audit.signals import IMPORTS as AUDIT_IMPORTS
from pipelines.release.stage import IMPORTS as RELEASE_IMPORTS
from pipelines.score.execution import IMPORTS as SCORE_IMPORTS
from pipelines.workers.cluster import Cluster
from pipelines.workers.local import prepare_forks

IMPORTS = (*SCORE_IMPORTS, *AUDIT_IMPORTS, *RELEASE_IMPORTS)
FIRST_SHARD = """
import sys, time
from pipelines.cli import main
from pipelines.score import execution

def first_shard(*arguments, run_shards=execution.run_shards, **options):
    yield next(run_shards(*arguments, **options))
    time.sleep(3600)

execution.run_shards = first_shard
sys.exit(main(sys.argv[1:]))
"""
"""The command line, which waits after the first shard: a kill always meets an unfinished run."""


@pytest.fixture(scope="session", autouse=True)
def _forks() -> Iterator[None]:
    """Let the fork server import what every stage needs, whichever starts it: else every later worker does.

    Dask is imported before a test sets the clock forward, since it would keep that clock.
    """
    import_module("distributed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.workers.cluster.prepare_forks", lambda imports: prepare_forks([*imports, *IMPORTS]))
        yield


@pytest.fixture(scope="package")
def cluster() -> Iterator[Cluster]:
    """Return a cluster of two local processes, which ends with these tests because idle processes take time too."""
    with Cluster(workers=2).connect(imports=IMPORTS) as client:
        yield Cluster(client=client)


@pytest.fixture
def manifests(tmp_path: Path) -> Manifests:
    return Manifests(tmp_path / "manifests")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Return the address of an S3 server on this machine."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    loader: Any = pytest.importorskip("botocore.loaders").JSONFileLoader
    logging.getLogger("werkzeug").disabled = True
    modules = list(import_module("moto.backends").list_of_moto_modules())
    load = functools.cache(loader().load_file)
    serving = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "load_file", lambda _, path: load(path))  # otherwise every client reads megabytes again
        patch.setattr("moto.backends.list_of_moto_modules", lambda: modules)  # looks at 200 folders in every request
        serving.start()
        host, port = serving.get_host_and_port()
        yield f"http://{host}:{port}"
        serving.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Place]:
    """Return an empty bucket."""
    for name, value in (("ACCESS_KEY_ID", "k"), ("SECRET_ACCESS_KEY", "s"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    name = f"b{abs(hash(request.node.name))}"
    path = place(f"s3://{name}")
    path.mkdir()
    yield path
    type(path.fs).clear_instance_cache()  # type: ignore[union-attr]  # it keeps the address of the server


def keys_of(bucket: Place) -> list[str]:
    """Return the keys of all files in the bucket, read from the server in this process without a request."""
    backends: Any = import_module("moto.backends").get_backend("s3")
    name = bucket.path.split("/")[0]  # type: ignore[union-attr]
    return list(backends["123456789012"]["aws"].buckets[name].keys)


def rows(manifests: Manifests, table: Any, **partition: str) -> list[dict[str, Any]]:
    """Return all rows, sorted by clip id, metric and path."""
    records: list[dict[str, Any]] = manifests.read(table, **partition).to_pylist()
    return sorted(records, key=lambda row: (str(row["clip_id"]), str(row.get("metric")), str(row.get("path"))))


def age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock forward by ten seconds, so that files are old enough to count as unchanged."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 10)


def raising(error: BaseException) -> Callable[..., Any]:
    """Return a function that raises the error."""

    def fails(*_: Any, **__: Any) -> Any:
        raise error

    return fails
