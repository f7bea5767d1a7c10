"""The benchmark that needs nothing but the catalogue: scenes of split `gate` or `final`, and music rendered by stems.

<data>/<split>-scenes-<count>/       scenes as of the demo: speech, music, instruments and sounds in others
<data>/<split>-speakers-<count>/     a woman and a man who speak at once
<data>/labelled/<split>/music/       pieces, an instrument a stem
<data>/<split>-never-train.parquet   fingerprints of all of it, and of the recordings it is made of
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from dataengine.errors import UserError
from dataengine.evaluation.benchmark.ensembles import ensembles, is_heard
from dataengine.evaluation.benchmark.items import Benchmark, first_of_each
from dataengine.evaluation.benchmark.settings import PromptKind, Setting, Task
from dataengine.evaluation.phrase_meanings import PhraseMeanings
from dataengine.evaluation.questions import Question, absences, extractions, with_true_spans
from dataengine.evaluation.true_scenes import TrueScene, read_scenes
from manifests.catalogue.demo import build_demo
from manifests.catalogue.drawing import SCENE_TYPES, SPEECH_SPEECH
from manifests.catalogue.fetch import file_path
from manifests.catalogue.labelled import LabelledSplit, make_labelled
from manifests.catalogue.recordings import clips_of
from manifests.never_train import write_never_train

GATE, FINAL = "gate", "final"
SPLITS = (GATE, FINAL)
SCENES_A_QUESTION = 5
"""So many scenes hold about one source of each kind that is asked for, of the rarest: an instrument."""
WINDOWS_A_PIECE = 4
NO_VIDEO = "the catalogue has no video"


@dataclass(frozen=True)
class EmbeddedBenchmark:
    """Where it is built, and of how much; UserError for another split."""

    data: Path
    split: str
    limit: int
    """Questions of each setting, at most."""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UserError(
                f"the benchmark is made of the splits {' and '.join(SPLITS)}, not of {self.split!r}"
            )

    def build(self, settings: Collection[Setting]) -> Benchmark:
        """Fetch, mix and render what these settings need, and ask; what is there already is left alone.

        Raises UserError where a package cannot be fetched, and where a synthesiser is missing.
        """
        audible = [each for each in settings if each.prompts != PromptKind.VISUAL]
        if not audible:
            raise UserError(f"{NO_VIDEO}: ask by text or span", where="--prompts")
        by_text = {task: self._questions[task]() for task in {each.task for each in audible}}
        found = {
            each: with_true_spans(by_text[each.task])
            if each.prompts == PromptKind.SPAN
            else by_text[each.task]
            for each in audible
        }
        questions, none = first_of_each(found, self.limit)
        if not questions:
            raise UserError("so few scenes hold nothing that can be asked for", where=f"--limit {self.limit}")
        absent = absences(self._scenes, self._meanings)[: self.limit]
        write_never_train(self.never_train, self._files())
        return Benchmark(
            name=f"embedded benchmark, split {self.split}",
            questions=questions,
            absent=absent,
            left_out={each: NO_VIDEO for each in settings if each.prompts == PromptKind.VISUAL} | none,
            notes=(_voices(self.split),),
        )

    @property
    def never_train(self) -> Path:
        """Fingerprints of what no separator may be trained on, as `index --never-train` takes them."""
        return self.data / f"{self.split}-never-train.parquet"

    def _files(self) -> list[Path]:
        """All scenes and stems that were ever built of the split, and its recordings."""
        music = self._labelled.music.rglob("*.flac")
        scenes = (path for folder in self.data.glob(f"{self.split}-*/") for path in folder.rglob("*.flac"))
        clips = (file_path(clip, self._recordings) for clip in clips_of(self.split))
        return sorted({path.resolve() for path in (*scenes, *music, *clips) if path.is_file()})

    @property
    def _questions(self) -> dict[Task, Callable[[], list[Question]]]:
        return {
            Task.SPEECH: lambda: list(self._of_whole_category("speech")),
            Task.SPEAKER: lambda: extractions(self._speakers, self._meanings),
            Task.MUSIC: lambda: list(self._of_whole_category("music")),
            Task.INSTRUMENT_WILD: lambda: self._of_category("instrument"),
            Task.INSTRUMENT_PRO: self._of_ensembles,
            Task.SOUND: lambda: self._of_category("sound"),
        }

    def _of_whole_category(self, category: str) -> Iterator[Question]:
        """What is of a category, by the category's own name, where that names nothing else in the scene."""
        for scene in self._scenes:
            named = [self._meanings.names(category, label) for label in scene.labels]
            for place, source in enumerate(scene.sources):
                if scene.known and source.category == category and named[place] and sum(named) == 1:
                    yield Question(scene, place, category, source)

    def _of_category(self, category: str) -> list[Question]:
        asked = extractions(self._scenes, self._meanings)
        return [question for question in asked if question.named.category == category]

    def _of_ensembles(self) -> list[Question]:
        asked = extractions(self._ensembles, PhraseMeanings.with_stems())
        return [question for question in asked if is_heard(question.named)]

    @cached_property
    def _meanings(self) -> PhraseMeanings:
        return PhraseMeanings.load()

    @cached_property
    def _scenes(self) -> list[TrueScene]:
        return self._mixed("scenes", SCENES_A_QUESTION * self.limit, SCENE_TYPES)

    @cached_property
    def _speakers(self) -> list[TrueScene]:
        return self._mixed("speakers", math.ceil(self.limit / 2), (SPEECH_SPEECH,))

    @cached_property
    def _ensembles(self) -> list[TrueScene]:
        make_labelled(self._labelled.directory, [self.split], recordings=self._recordings)
        return ensembles(self._labelled.music, WINDOWS_A_PIECE)

    @property
    def _labelled(self) -> LabelledSplit:
        return LabelledSplit(self.data / "labelled", self.split)

    @property
    def _recordings(self) -> Path:
        return (self.data.parent / "recordings").resolve()

    def _mixed(self, what: str, count: int, types: tuple[str, ...]) -> list[TrueScene]:
        """So many scenes, named by what they are: with another count the first ones are the same."""
        folder = self.data / f"{self.split}-{what}-{count}"
        (demo,) = build_demo(folder, {self.split: count}, recordings=self._recordings, types=types)
        return [replace(each, name=f"{what}/{each.name}") for each in read_scenes(demo.truth).values()]


def _voices(split: str) -> str:
    """Whose voices the figures of speech are about."""
    voices = {(clip.speaker, clip.label, clip.language) for clip in clips_of(split) if clip.speaker}
    told = ", ".join(f"{label} ({language})" for _, label, language in sorted(voices))
    few = f"{len(voices)} voices speak in split {split}: {told}."
    return f"{few} Intervals are over clips and say nothing of other voices."
