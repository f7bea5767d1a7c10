"""Samples of a run that somebody, or the truth, has called right or wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from dataengine.engine.database import quoted
from dataengine.errors import UserError
from dataengine.report.run_directory import CANDIDATE, RunDirectory
from manifests.identity import digest_of_ids

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"

LEAST_LABELS = 50
"""Fewer labels say nothing about a precision."""


@dataclass(frozen=True)
class LabelledSamples:
    """Judged candidates with their scores, ordered by sample id."""

    samples: pd.DataFrame
    """A row a candidate: the columns of the samples table that were asked for."""
    right: Mask
    clips: tuple[tuple[str, ...], ...]
    """What a candidate shares with others that are no independent evidence: clips, or its recording."""

    def __len__(self) -> int:
        return len(self.right)

    def where(self, mask: Mask) -> LabelledSamples:
        """The rows for which `mask` is true."""
        chosen = np.flatnonzero(mask)
        return LabelledSamples(
            self.samples.iloc[chosen].reset_index(drop=True),
            self.right[chosen],
            tuple(self.clips[row] for row in chosen),
        )

    @property
    def digest(self) -> str:
        """Hash of which samples were called what."""
        return digest_of_ids(
            f"{sample} {right}" for sample, right in zip(self.samples["sample_id"], self.right, strict=True)
        )


def read_labels(path: Path) -> pa.Table:
    """A table of labels, CSV or Parquet: `sample_id`, `right` (true, false or empty), and `clips` if it has any.

    Raises UserError if it cannot be read, or lacks a column.
    """
    try:
        table = pyarrow.csv.read_csv(path) if path.suffix.lower() == ".csv" else pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError("this is no table of labels, CSV or Parquet", where=str(path)) from error
    for column in ("sample_id", "right"):
        if column not in table.column_names:
            raise UserError(f"a table of labels needs the column {column!r}", where=str(path))
    kind = table.schema.field("right").type
    if not (pa.types.is_boolean(kind) or pa.types.is_integer(kind)):
        raise UserError(
            f"the column 'right' must hold true and false, or 1 and 0, not {kind}", where=str(path)
        )
    return table


def join_labels(run: RunDirectory, labels: pa.Table, columns: Sequence[str]) -> LabelledSamples:
    """The labelled candidates of a run with these columns of the samples table.

    Labels of samples that the run does not have are passed over, and so are samples without a label.
    Raises UserError if a column is missing, if a sample is labelled twice, or if hardly any are labelled.
    """
    missing = [column for column in columns if column not in run.columns]
    if missing:
        raise UserError(f"the run has no column {missing[0]!r}", where=run.storage.root)
    wanted = dict.fromkeys(["sample_id", "recording_id", *columns])
    rows = run.query(
        f"SELECT {', '.join(map(quoted, wanted))} FROM samples WHERE {CANDIDATE} ORDER BY sample_id"  # noqa: S608
    )
    samples = pd.DataFrame.from_records(rows, columns=list(wanted))
    known = _labels(labels)
    samples = samples[samples["sample_id"].isin(known)].reset_index(drop=True)
    if len(samples) < LEAST_LABELS:
        raise UserError(
            f"{len(samples)} candidates of this run are labelled; at least {LEAST_LABELS} are needed",
            where=run.storage.root,
        )
    judged = [known[sample] for sample in samples["sample_id"]]
    clips = [
        each or (recording,) for (_, each), recording in zip(judged, samples["recording_id"], strict=True)
    ]
    return LabelledSamples(samples, np.array([right for right, _ in judged], dtype=bool), tuple(clips))


def _labels(table: pa.Table) -> Mapping[str, tuple[bool, tuple[str, ...]]]:
    """Sample → whether it is right, and its clips; without those that were not judged."""
    clips = table["clips"].to_pylist() if "clips" in table.column_names else [None] * table.num_rows
    rows = zip(table["sample_id"].to_pylist(), table["right"].to_pylist(), clips, strict=True)
    known: dict[str, tuple[bool, tuple[str, ...]]] = {}
    for sample, right, of_sample in rows:
        if right is None:
            continue
        if sample in known:
            raise UserError(f"sample {sample!r} is labelled twice")
        known[sample] = (bool(right), tuple(of_sample or ()))
    return known
