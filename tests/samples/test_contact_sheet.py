"""The contact sheet has a row per clip, whatever their sizes."""

import numpy as np
import pytest

from hfv_builder.samples import contact_sheet


def test_a_sheet_has_a_captioned_row_for_each_clip() -> None:
    wide = np.full((9, 20, 40, 3), 200, np.uint8)
    long = np.arange(30, dtype=np.uint8)[:, None, None, None] * np.ones((1, 30, 40, 3), np.uint8)
    sheet = contact_sheet([wide, long], ["first", "second"], columns=3, cell_width=40)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (18 + 23 + 18 + 33, 3 * 43, 3)
    assert (sheet[:18] > 0).any()
    assert (sheet[18:38, :40] == 200).all()
    # The first, middle and last frame of the second clip.
    assert sheet[70, [5, 48, 91], 0].tolist() == [0, 14, 29]


def test_every_clip_needs_a_caption() -> None:
    with pytest.raises(ValueError, match="zip"):
        contact_sheet([np.zeros((2, 8, 8, 3), np.uint8)], [])


def test_a_sheet_without_clips_is_empty() -> None:
    assert contact_sheet([], [], columns=2).shape[0] == 0
