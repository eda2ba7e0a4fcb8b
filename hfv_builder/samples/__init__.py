"""Sample clips with known anomalies: rendered figures for tests and for the demo."""

from hfv_builder.samples.contact_sheet import contact_sheet
from hfv_builder.samples.plan import sample_plan, write_truth
from hfv_builder.samples.render import render_frames, render_sample
from hfv_builder.samples.spec import SampleSpec

__all__ = ["SampleSpec", "contact_sheet", "render_frames", "render_sample", "sample_plan", "write_truth"]
