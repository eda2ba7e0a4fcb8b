"""Numbers in sentences."""

from hfv_builder.wording import counted, percent, significant


def test_one_is_singular() -> None:
    assert [counted(number, "clip is", "clips are") for number in (0, 1, 2)] == [
        "0 clips are",
        "1 clip is",
        "2 clips are",
    ]
    assert counted(2, "vote") == "2 votes"


def test_a_share_is_0_or_100_only_if_it_is_that() -> None:
    assert [percent(share) for share in (0.0, 1e-5, 0.5, 0.99999, 1.0)] == [
        "0.0 %",
        "under 0.1 %",
        "50.0 %",
        "over 99.9 %",
        "100.0 %",
    ]
    assert [percent(share, 0) for share in (0.004, 0.996)] == ["under 1 %", "over 99 %"]


def test_a_small_number_is_not_0() -> None:
    assert [significant(value) for value in (0.0, 0.0022222, 24.0, 123.456)] == [0.0, 0.00222, 24.0, 123.0]
