"""Labels become prompts: a candidate for each stem, or set of stems, that can be asked for."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pydantic import PrivateAttr

from dataengine.engine.batch import Batch
from dataengine.engine.stage import Stage
from dataengine.errors import UserError
from manifests.schema import KIND_SOURCE, KIND_TRIPLET
from manifests.tracks import LABEL, STEMS, STEMS_TYPE
from stages.labels import LabelPhrases, Prompt

SPEECH = "speech"
"""The phrase of all labels that are speech."""


class NameStems(Stage):
    """Propose a text prompt for each stem of a track (`dataengine index --stems`) or for a labelled recording.

    The slides make prompts of instrument labels by templates ("piano playing"); here a table has the phrases
    that name each label. A prompt asks for every stem of the track that it names. `kind` is `triplet` for
    stems of a track, and `source` for a recording alone: there is no rest.

    `stem_phrases` are all phrases of each stem of the track, and `target_stems` the positions of those that the
    prompt asks for: a trainer may ask for the target by another of its names, and must know what the rest is.
    """

    adds = {
        "text": pa.string(),
        "text_source": pa.string(),
        "speech_prompt": pa.bool_(),
        "kind": pa.string(),
        "target_stems": pa.list_(pa.int32()),
        "stem_phrases": pa.list_(pa.list_(pa.string())),
        "alone": pa.bool_(),
    }
    proposes = True

    labels: str | None = None
    """Path of a table of labels that is laid over the one in `conf/prompts/labels.yaml`."""

    _phrases: LabelPhrases | None = PrivateAttr(default=None)

    def prepare(self) -> None:
        """Read and check the table of labels. Raises UserError."""
        schema = self.context.schema
        if STEMS not in schema and LABEL not in schema:
            raise UserError(
                "the manifest says of no recording what it holds; index folders of stems with `--stems`, or "
                f"name labels in a column {LABEL!r} of a metadata table"
            )
        if schema.get(STEMS, STEMS_TYPE) != STEMS_TYPE:
            raise UserError(
                f"the manifest's column {STEMS!r} is {schema[STEMS]}; it is made by `index --stems`"
            )
        self._phrases = LabelPhrases.load(self.labels)

    def columns_read(self) -> tuple[str, ...]:
        """The stems of a track, or the label of a recording."""
        return (STEMS if STEMS in self.context.schema else LABEL,)

    def identity(self) -> dict[str, Any]:
        """The table's content decides, wherever it lies."""
        own = super().identity()
        return {**own, "parameters": {**own["parameters"], "labels": self._table.phrases}}

    def process(self, batch: Batch) -> Batch:
        """Return a row for each candidate."""
        labels = self._labels(batch)
        prompts = [self._table.prompts(each) for each in labels]
        rows = [row for row, each in enumerate(prompts) for _ in each]
        chosen: list[Prompt] = [prompt for each in prompts for prompt in each]
        alone = [len(labels[row]) == 1 for row in rows]
        return batch.expand(
            rows,
            text=[prompt.text for prompt in chosen],
            text_source=["label"] * len(rows),
            speech_prompt=[
                all(SPEECH in self._table.of(labels[row][stem]) for stem in prompt.stems)
                for row, prompt in zip(rows, chosen, strict=True)
            ],
            kind=[KIND_SOURCE if each else KIND_TRIPLET for each in alone],
            target_stems=[list(prompt.stems) for prompt in chosen],
            stem_phrases=[[list(self._table.of(label)) for label in labels[row]] for row in rows],
            alone=alone,
        )

    @property
    def _table(self) -> LabelPhrases:
        if self._phrases is None:
            raise RuntimeError("name_stems was used before it was prepared")
        return self._phrases

    def _labels(self, batch: Batch) -> list[list[str]]:
        """Labels of each row's stems; a recording without a label has none."""
        if STEMS in batch:
            return [[stem["label"] for stem in stems or ()] for stems in batch[STEMS]]
        return [[str(label)] if label is not None else [] for label in batch[LABEL]]
