"""The look of figures in reports, and figures as text that fits into one HTML file."""

import base64
import contextlib
import io
import warnings
from collections.abc import Iterator

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from PIL import Image

COLOURS = {"spatial": "#0072b2", "appearance": "#d55e00", "motion": "#009e73", "real": "#777777"}
"""Colours that colour-blind people can distinguish (Okabe and Ito)."""
INK = "#30363d"
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.parse_math": False,  # dollar signs in names are no formulas
    "svg.fonttype": "none",
    "svg.hashsalt": "hfv",  # the same ids in every run
}
"""Parameters of matplotlib that differ from its defaults."""


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw figures of the block alike for everybody: the user's configuration of matplotlib does not count."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)  # type: ignore[arg-type]
        yield


def log_axis(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with labels at powers of ten, which are no formulas either."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())  # labels between powers of ten would overlap


def svg(figure: Figure) -> str:
    """Return the figure as an SVG element; the same figure gives the same text."""
    text = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser draws texts, with its own fonts
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    drawing = text.getvalue()
    return drawing[drawing.index("<svg") :]


def jpeg(image: npt.NDArray[np.uint8], *, quality: int = 85) -> str:
    """Return the image, (H, W, 3) uint8 RGB, as the address of a JPEG that holds its data."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
