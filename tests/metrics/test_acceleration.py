"""The scaling part of a flow acceleration: all of a growth, nothing of a shift or a turn."""

import math

import pytest
import torch

from hfv_builder.metrics.acceleration import lengths_of_parts, mean_length, without_shift

SIZE = 41


def field(across: tuple[float, float], down: tuple[float, float], *, shift: float = 0.0) -> torch.Tensor:
    """A linear field inside a disc: each component as (per x, per y) from its centre, and a shift to the right."""
    y, x = torch.meshgrid(torch.arange(SIZE) - 20.0, torch.arange(SIZE) - 20.0, indexing="ij")
    parts = torch.stack([across[0] * x + across[1] * y + shift, down[0] * x + down[1] * y])
    return (parts * (x.square() + y.square() < 15**2))[None]


@pytest.mark.parametrize("across", [(0.3, 0.0), (-0.3, 0.0), (0.0, 0.0)])
def test_growth_and_stretching_are_scaling(across: tuple[float, float]) -> None:
    acceleration = field(across, (0.0, 0.2))
    rest, scaling = lengths_of_parts(acceleration)
    assert scaling.item() > 0.9 * mean_length(acceleration).item()
    assert rest.item() < 0.1 * scaling.item()


@pytest.mark.parametrize(
    "acceleration", [field((0, 0.2), (-0.2, 0)), field((0, 0), (0, 0), shift=2.0)], ids=["turn", "shift"]
)
def test_turns_and_shifts_are_not(acceleration: torch.Tensor) -> None:
    rest, scaling = lengths_of_parts(acceleration)
    assert scaling.item() == 0
    assert rest.item() == pytest.approx(mean_length(acceleration).item())


def test_a_growth_that_explains_little_is_not_told_apart() -> None:
    steps = torch.cat([field((0.1, 0), (0, 0.1), shift=shift) for shift in (0.2, 3.0)])
    (clear, lost), (most, none) = lengths_of_parts(steps)
    whole = mean_length(steps)
    assert clear < 0.5 * whole[0]
    assert (clear + most).item() == pytest.approx(whole[0].item())
    assert (lost.item(), none.item()) == (pytest.approx(whole[1].item()), 0)


def test_what_hardly_accelerates_has_no_scaling_part() -> None:
    for little in (0.01 * field((1, 0), (0, 1)), torch.zeros(1, 2, 8, 8)):
        rest, scaling = lengths_of_parts(little)
        assert scaling.item() == 0
        assert rest.item() == pytest.approx(mean_length(little).item())


def test_what_is_not_finite_shows() -> None:
    broken = field((0.3, 0), (0, 0.3))
    broken[0, 0, 3, 3] = math.nan
    assert all(part.isnan().all() for part in lengths_of_parts(broken))


def test_the_shift_of_a_mirrored_flow_is_mirrored() -> None:
    flow = torch.randn(3, 2, 6, 8, generator=torch.Generator().manual_seed(0))
    flip = torch.tensor([-1.0, 1.0])[None, :, None, None]
    assert torch.equal(without_shift(flow.flip(3) * flip), without_shift(flow).flip(3) * flip)
