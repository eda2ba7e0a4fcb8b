"""The pictures of findings on frames: scores of the person detector, and the places of overlays."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hfv_builder.audit.pictures import WIDTH
from hfv_builder.audit.watermarks import Place
from hfv_builder.people.registry import threshold
from hfv_builder.release.figures import INK

BINS = 25


def people_scores(known: pd.DataFrame) -> Figure:
    """Draw the distribution of the person scores of each source, with the threshold of its detector.

    Args:
        known: a row per clip with generator, person and person_detector.
    """
    sources = [(str(name), own) for name, own in known.groupby("generator", sort=True)]
    figure = Figure(figsize=(WIDTH, 0.7 + 0.55 * len(sources)), layout="constrained")
    rows = figure.subplots(len(sources), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, own) in zip(rows, sources, strict=True):
        axes.hist(own["person"].astype(float), np.linspace(0, 1, BINS + 1).tolist(), color="#0969da")
        for limit in sorted({threshold(str(revision)) for revision in own["person_detector"]}):
            axes.axvline(limit, color=INK, linewidth=0.8, linestyle=":")
        axes.set_yticks([])
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
    axes.set_xlim(0, 1)
    axes.set_xlabel("person score of the clips: left of the dotted line no person is detected")
    return figure


def overlay(place: Place) -> Figure:
    """Draw how well the directions of the clips' edges agree at each place, and the boxes of the overlays."""
    figure = Figure(figsize=(min(WIDTH, 2.6 * place.shape + 0.6), 2.9), layout="constrained")
    axes = figure.subplots()
    axes.imshow(place.overlays.steadiness, cmap="Greys", vmin=0, vmax=1, extent=(0, place.shape, 1, 0), rasterized=True)
    for box in place.overlays.boxes:
        across = [part * place.shape for part in (box.left, box.right, box.right, box.left, box.left)]
        axes.plot(across, [box.top, box.top, box.bottom, box.bottom, box.top], color="#cf222e", linewidth=1.2)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(f"edges that stay in the clips of {place.subject}", fontsize=9, loc="left")
    return figure
