"""The floor `metadata`: predictions from facts of the files without their content, see `container_facts`."""

from hfv_builder.detectors.base import Extractor, Samples, stacked
from hfv_builder.detectors.config import Config as Config
from hfv_builder.detectors.container_facts import ContainerFacts
from hfv_builder.detectors.tabular import Floats, Tabular


class Metadata(Tabular):
    """A forest over container facts."""

    def extractors(self) -> tuple[Extractor, ...]:
        """Return what reads the facts."""
        return (ContainerFacts(),)

    def table(self, samples: Samples) -> Floats:
        """Return the facts, (n, facts)."""
        return stacked(samples.features, range(len(samples.rows)))
