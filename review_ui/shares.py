"""Shares with their 95 % intervals."""

from typing import Any

Z = 1.96


def share_of(hits: int, trials: int) -> dict[str, Any]:
    """Return `n` (trials), `share` (hits / trials), `from` and `to` (its interval); None where there are no trials."""
    low, high = wilson(hits, trials)
    return {"n": trials, "share": hits / trials if trials else None, "from": low, "to": high}


def wilson(hits: int, trials: int) -> tuple[float | None, float | None]:
    """Return the 95 % score interval of a proportion (Wilson 1927); (None, None) without trials."""
    if trials == 0:
        return None, None
    share = hits / trials
    middle = (share + Z * Z / (2 * trials)) / (1 + Z * Z / trials)
    half = Z / (1 + Z * Z / trials) * ((share * (1 - share) / trials + Z * Z / (4 * trials * trials)) ** 0.5)
    # Rounding must not make 0 of n an interval that begins above 0.
    return (middle - half if hits else 0.0), (middle + half if hits < trials else 1.0)


def difference(first: dict[str, Any], second: dict[str, Any]) -> dict[str, float | None]:
    """Return `second` − `first` of two independent shares, with its 95 % interval (Newcombe 1998, method 10).

    Returns:
        `points`, `from` and `to`, in [−1, 1]; None if one of the shares has no trials.
    """
    if not first["n"] or not second["n"]:
        return {"points": None, "from": None, "to": None}
    points = second["share"] - first["share"]
    below = ((second["share"] - second["from"]) ** 2 + (first["to"] - first["share"]) ** 2) ** 0.5
    above = ((second["to"] - second["share"]) ** 2 + (first["share"] - first["from"]) ** 2) ** 0.5
    return {"points": points, "from": points - below, "to": points + above}
