"""Stems become mixture, target and residual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.models.level import powers, ratio_db
from dataengine.models.roles import Waveform
from manifests.media import open_recording
from manifests.schema import WAVEFORM
from manifests.tracks import STEMS

Row: TypeAlias = Mapping[str, Any]


class MixStems(Stage):
    """Read each candidate's window of its stems; all are mono float32 at the profile's rate.

    The target is the sum of the stems that the prompt asks for, the mixture is the track's mixture or, where it
    has none, the sum of all stems, and the residual is mixture − target. A stem that ends before the
    window does is silent from there on. Of a labelled recording alone, target and mixture are the same.

    `stems_error_db` tells how far all stems together are from the mixture, RMS relative to the mixture: a
    mixture that was mastered, or belongs to another version, leaves some of the target in the residual.
    It is −120 where the mixture is the sum, and null where it is digital silence.
    """

    reads = ("unit_id", "uri", "start", "duration", "target_stems")
    adds = {"mixture": WAVEFORM, "target": WAVEFORM, "residual": WAVEFORM, "stems_error_db": pa.float32()}

    def columns_read(self) -> tuple[str, ...]:
        """Tracks have a column of stems, labelled recordings have none."""
        return (*self.reads, STEMS) if STEMS in self.context.schema else self.reads

    def process(self, batch: Batch) -> Batch:
        """Candidates of one window are made together, so that each stem is read once."""
        columns = {name: batch[name] for name in self.columns_read()}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        windows: dict[str, _Window] = {}
        for row in rows:
            if row["unit_id"] not in windows:
                windows[row["unit_id"]] = _read_window(row, self.context.sample_rate)
        mixtures = [windows[row["unit_id"]].mixture for row in rows]
        targets = [windows[row["unit_id"]].sum_of(row["target_stems"]) for row in rows]
        errors = [windows[row["unit_id"]].error for row in rows]
        return batch.with_columns(
            mixture=mixtures,
            target=targets,
            residual=[mixture - target for mixture, target in zip(mixtures, targets, strict=True)],
            stems_error_db=ratio_db(powers(errors), powers(mixtures)),
        )


class _Window:
    """The stems of a track, or the one of a recording, over a window."""

    def __init__(self, stems: Sequence[Waveform], mixture: Waveform | None) -> None:
        self._stems = stems
        whole = self.sum_of(range(len(stems)))
        self.mixture = whole if mixture is None else mixture
        self.error: Waveform = self.mixture - whole

    def sum_of(self, stems: Sequence[int]) -> Waveform:
        """Sum of the stems at these positions."""
        total: Waveform = np.sum([self._stems[stem] for stem in stems], axis=0, dtype=np.float32)
        return total


def _read_window(row: Row, sample_rate: int) -> _Window:
    uri, window = row["uri"], (float(row["start"]), float(row["duration"]))
    if STEMS not in row:
        return _Window([_read(uri, *window, sample_rate)], None)
    stems = row[STEMS]
    waveforms = [_read(stem["uri"], *window, sample_rate, stem["channel"]) for stem in stems]
    is_mixture = uri not in [stem["uri"] for stem in stems]
    return _Window(waveforms, _read(uri, *window, sample_rate) if is_mixture else None)


def _read(uri: str, start: float, duration: float, sample_rate: int, channel: int | None = None) -> Waveform:
    """A window of a file, silent where the file has ended."""
    with open_recording(uri) as recording:
        left = min(duration, recording.info.duration - start)
        wanted = round(duration * sample_rate)
        if round(left * sample_rate) < 1:
            return np.zeros(wanted, dtype=np.float32)
        waveform = recording.read(start, left, sample_rate, channel)
        return np.pad(waveform, (0, wanted - len(waveform)))
