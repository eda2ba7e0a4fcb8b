"""Files of a release that somebody made to break its readers."""

import io
import tarfile
from pathlib import Path

import pytest

from hfv_builder.release.problems import croissant_problems
from hfv_builder.release.shards import read_shard

DEEP = "[" * 100_000


def member(
    name: str, content: str = "", *, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, link, len(content)
    return entry, content.encode()


def test_a_description_without_end_is_a_problem() -> None:
    assert [found.problem for found in croissant_problems([], {}, DEEP)] == [
        "is not valid JSON: it is nested too deeply"
    ]


@pytest.mark.parametrize(
    "entry",
    [
        member("a.json", DEEP),
        member("a.json", kind=tarfile.SYMTYPE, link="a.json"),
        member("a.json", kind=tarfile.LNKTYPE, link="../../etc/passwd"),
    ],
    ids=["deep", "circle", "outside"],
)
def test_a_shard_that_cannot_be_read_is_no_shard(entry: tuple[tarfile.TarInfo, bytes], tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        tar.addfile(entry[0], io.BytesIO(entry[1]))
    with pytest.raises(ValueError, match=r"nested too deeply|it is no whole tar file"):
        list(read_shard(tmp_path / "shard.tar"))
