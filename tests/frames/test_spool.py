"""Maps are read back from memory or a file as they were appended."""

import pytest
import torch

from hfv_builder.frames.spool import Spool


@pytest.mark.parametrize("in_memory", [0, 500, None])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_slices_of_a_spool_equal_those_of_its_maps(in_memory: int | None, dtype: torch.dtype) -> None:
    maps = (torch.arange(11 * 3 * 4) * 7 % 50).reshape(11, 3, 4).to(dtype)
    spool = Spool(in_memory=in_memory)
    assert len(spool) == 0
    for start in range(0, 11, 3):
        spool.append(maps[start : start + 3])
        assert torch.equal(spool[0 : start + 3], maps[: start + 3])
    for part in (slice(0, 11), slice(4, 7), slice(9, 20), slice(5, 5), slice(None)):
        assert torch.equal(spool[part], maps[part])
    assert len(spool) == 11
    if in_memory is not None:
        assert spool._file is not None
