"""Export decisions from the database to the `reviews` and `final` manifests and to files for download."""

import io
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from hfv_builder.labelling.decisions import Decision
from hfv_builder.labelling.final_labels import final_labels
from hfv_builder.labelling.reviews import as_table, final_table, in_order, read_reviews
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import FINAL, REVIEWS
from review_ui.clips import Clips
from review_ui.store import DecisionLog

FORMULA = r"\A[=+\-@\t\r\n\x{FF0B}\x{FF0D}\x{FF1D}\x{FF20}]"
"""How texts begin that spreadsheets take for formulas, in the syntax of RE2; the last four are full-width."""


def export(
    store: DecisionLog, manifests: Manifests, into: Manifests | None = None, *, overlap: int | None = None
) -> int:
    """Add all decisions of the database to the `reviews` manifest, and write the resulting labels to `final`.

    Args:
        store: the database.
        manifests: the manifests with the clips and their labels.
        into: the manifests to write; None writes into `manifests`.
        overlap: number of votes below which a majority does not count; None uses the setting of the review.

    Returns:
        The number of rows of `reviews`.

    Raises:
        UsageError: a manifest cannot be read or written, or another command writes it.
    """
    into = into or manifests
    with into.lock("reviews"):
        ours = {decision.decision_id: decision for decision in store.decisions()}
        before, _ = read_reviews(into)
        rows = in_order(({decision.decision_id: decision for decision in before} | ours).values())
        if rows:
            overlap = store.overlap() if overlap is None else overlap
            into.replace(REVIEWS, [as_table(rows, overlap=overlap)])
            labelled = final_labels(Clips(manifests).labels(), rows, overlap=overlap)
            into.replace(FINAL, [final_table(labelled, overlap=overlap)])
        return len(rows)


def as_parquet(decisions: Iterable[Decision], overlap: int) -> bytes:
    """Return these decisions as a Parquet file with the columns of the `reviews` manifest."""
    sink = io.BytesIO()
    pq.write_table(as_table(decisions, overlap=overlap), sink, compression="zstd")
    return sink.getvalue()


def as_csv(decisions: Iterable[Decision]) -> bytes:
    """Return these decisions as CSV. `box` has four numbers and `undoes` several ids, separated by spaces.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    rows = as_table(decisions)
    box = rows["box"].combine_chunks()
    sides = [pc.cast(pc.struct_field(box, name), pa.string()) for name in "xywh"]
    flat = {"box": pc.binary_join_element_wise(*sides, " "), "undoes": pc.binary_join(rows["undoes"], " ")}
    for name, column in flat.items():
        rows = rows.set_column(rows.schema.names.index(name), name, column)
    sink = io.BytesIO()
    pyarrow.csv.write_csv(plain(rows), sink)
    return sink.getvalue()


def plain(rows: pa.Table) -> pa.Table:
    """Return the rows with an apostrophe before every text that a spreadsheet would take for a formula."""
    for index, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            rows = rows.set_column(index, field.name, pc.replace_substring_regex(rows[index], FORMULA, r"'\0"))
    return rows
