"""Asking contestants, and keeping what their answers are worth: nobody is asked the same question twice.

<folder>/<assessor's version>-<sample rate>/<contestant's digest>.parquet     a row a question
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from time import monotonic

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.evaluation.asking import Asked, Assessor, ByTruth, Worth, ask
from dataengine.evaluation.contestants import Contestant
from dataengine.evaluation.questions import Question
from manifests.progress import Progress

SCENES_A_BATCH = 6
SAVE_SECONDS = 30.0

_SCHEMA = pa.schema(
    [
        pa.field("question", pa.string(), nullable=False),
        *(pa.field(field.name, pa.float64()) for field in fields(Worth)),
    ]
)


@dataclass(frozen=True)
class Entry:
    """A contestant and what it is asked; of the questions it takes those on its ground."""

    contestant: Contestant
    questions: Sequence[Question]


class Contest:
    """What contestants' answers are worth at one sample rate, kept in a folder."""

    def __init__(self, folder: Path, sample_rate: int, assessor: Assessor | None = None) -> None:
        """Without an assessor the truth alone says what answers are worth."""
        self._assessor: Assessor = assessor or ByTruth()
        self._folder, self.sample_rate = folder / f"{self._assessor.version}-{sample_rate}", sample_rate
        self._folder.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, dict[str, Worth]] = {}

    def worth(self, contestant: Contestant, question: Question) -> Worth | None:
        """What the contestant's answer was worth; None if it was not asked."""
        return self._of(contestant).get(question.id)

    def hold(self, entries: Sequence[Entry]) -> None:
        """Ask what has not been asked yet. What was answered is kept, even if this is interrupted."""
        work = self._missing(entries)
        if not work:
            return
        changed: dict[str, Contestant] = {}
        done, saved = 0, monotonic()
        with Progress("Separating", total=sum(len(each.questions) for each in work), unit="answers") as bar:
            try:
                for contestant, asked in _in_batches(work, self.sample_rate):
                    answers = contestant.separate(asked)
                    for each, worth in zip(asked, self._assessor.assess(asked, answers), strict=True):
                        self._of(contestant)[each.question.id] = worth
                    changed[contestant.digest] = contestant
                    done += len(asked)
                    bar.update(done, contestant.name)
                    if monotonic() - saved > SAVE_SECONDS:
                        self._save(changed.values())
                        changed, saved = {}, monotonic()
            finally:
                self._save(changed.values())

    def _missing(self, entries: Sequence[Entry]) -> list[Entry]:
        """What is to be asked of each contestant, each question once."""
        contestants = {entry.contestant.digest: entry.contestant for entry in entries}
        questions: dict[str, dict[str, Question]] = {}
        for entry in entries:
            known = self._of(entry.contestant)
            questions.setdefault(entry.contestant.digest, {}).update(
                (question.id, question)
                for question in entry.questions
                if question.id not in known and entry.contestant.answers(question)
            )
        return [Entry(contestants[digest], list(each.values())) for digest, each in questions.items() if each]

    def _of(self, contestant: Contestant) -> dict[str, Worth]:
        if contestant.digest not in self._known:
            path = self._path(contestant)
            rows = pq.read_table(path, schema=_SCHEMA).to_pylist() if path.exists() else []
            self._known[contestant.digest] = {row.pop("question"): Worth(**row) for row in rows}
        return self._known[contestant.digest]

    def _save(self, contestants: Iterable[Contestant]) -> None:
        for contestant in contestants:
            rows = [{"question": question, **asdict(each)} for question, each in self._of(contestant).items()]
            path = self._path(contestant)
            unfinished = path.with_suffix(".unfinished")
            pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), unfinished)
            os.replace(unfinished, path)

    def _path(self, contestant: Contestant) -> Path:
        return self._folder / f"{contestant.digest}.parquet"


def _in_batches(work: Sequence[Entry], sample_rate: int) -> Iterator[tuple[Contestant, list[Asked]]]:
    """A few scenes at a time: each scene is read once for all contestants."""
    scenes = {question.scene.name: question.scene for entry in work for question in entry.questions}
    names = sorted(scenes)
    for start in range(0, len(names), SCENES_A_BATCH):
        some = set(names[start : start + SCENES_A_BATCH])
        wanted = [[each for each in entry.questions if each.scene.name in some] for entry in work]
        sounds = _sounds([question for questions in wanted for question in questions], sample_rate)
        for entry, questions in zip(work, wanted, strict=True):
            if questions:
                yield entry.contestant, [sounds[question.id] for question in questions]


def _sounds(questions: Sequence[Question], sample_rate: int) -> dict[str, Asked]:
    """Question → its sounds."""
    of_scene: dict[str, dict[str, Question]] = {}
    for question in questions:
        of_scene.setdefault(question.scene.name, {})[question.id] = question
    return {
        asked.question.id: asked
        for of_one in of_scene.values()
        for asked in ask(list(of_one.values()), sample_rate)
    }
