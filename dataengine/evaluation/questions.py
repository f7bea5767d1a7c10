"""What separators are asked of true scenes: for what is there, for what is not, and with a wrong caption.

A question asks for one source, by a phrase that names it beyond doubt and no other source of the scene. Which
questions there are depends on the scenes alone, so that answers can be kept and more scenes only add to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from dataengine.evaluation.masked_video import MaskedVideo
from dataengine.evaluation.phrase_meanings import PhraseMeanings
from dataengine.evaluation.true_scenes import TrueScene, TrueSource
from manifests.catalogue.drawing import could_be_mistaken
from manifests.identity import seed_of, stable_hash

Spans = tuple[tuple[float, float], ...]
Place = tuple[str, int | None]
"""A scene and one of its sources: what several ways to ask for the same have in common."""


@dataclass(frozen=True)
class Question:
    """A prompt, and what of the scene is the right answer."""

    scene: TrueScene
    wanted: int | None
    """Which source; None: what the prompt names is not there, and the right answer is silence."""
    text: str
    named: TrueSource
    """What the prompt names: the target, or something that sounds in another scene."""
    spans: Spans = ()
    """Seconds in which the target is said to sound; none: nothing is said."""
    video: MaskedVideo | None = None
    """Where the target is to be seen, if anybody knows. It is not part of the prompt."""

    @cached_property
    def id(self) -> str:
        """Hash of the scene, the prompt, the right answer, and of where it is to be seen."""
        seen = () if self.video is None else (self.video.digest,)
        return stable_hash(
            "question", self.scene.digest, str(self.wanted), self.text, repr(self.spans), *seen
        )

    @property
    def place(self) -> Place:
        """The scene and what is wanted of it."""
        return self.scene.name, self.wanted

    @property
    def target(self) -> TrueSource | None:
        """What is wanted."""
        return None if self.wanted is None else self.scene.sources[self.wanted]

    @property
    def rest(self) -> tuple[TrueSource, ...]:
        """All other sources."""
        return tuple(source for i, source in enumerate(self.scene.sources) if i != self.wanted)

    @property
    def clips(self) -> tuple[str, ...]:
        """What ties it to others that are no independent evidence: clips, or at least its scene."""
        return self.scene.clips or (self.scene.name,)


def extractions(scenes: Sequence[TrueScene], meanings: PhraseMeanings) -> list[Question]:
    """A question for each source of the known scenes that a phrase names alone."""
    return [question for scene in scenes if scene.known for question in _of_scene(scene, meanings)]


def _of_scene(scene: TrueScene, meanings: PhraseMeanings) -> Iterator[Question]:
    for i, label in enumerate(scene.labels):
        text = meanings.prompt_for(label, scene.labels[:i] + scene.labels[i + 1 :])
        if text is not None:
            yield Question(scene, i, text, scene.sources[i])


def absences(scenes: Sequence[TrueScene], meanings: PhraseMeanings, seed: int = 0) -> list[Question]:
    """For each known scene a prompt for something that sounds in other scenes and not in this one.

    The two have no phrase and no word in common, and are not both human voices. Scenes with a source that no
    phrase names beyond doubt are left out: who knows what else it might be called.
    """
    known = [scene for scene in scenes if scene.known]
    sources = {
        source.label: source for scene in known for source in scene.sources if meanings.of(source.label)
    }
    questions = []
    for scene in known:
        fitting = [source for source in sources.values() if _surely_absent(source, scene, meanings)]
        if fitting:
            source = min(fitting, key=partial(_absence_draw, seed, scene))
            questions.append(Question(scene, None, meanings.of(source.label)[-1], source))
    return questions


def _absence_draw(seed: int, scene: TrueScene, source: TrueSource) -> int:
    return seed_of(seed, "absent", scene.digest, source.label)


def _surely_absent(source: TrueSource, scene: TrueScene, meanings: PhraseMeanings) -> bool:
    phrases = set(meanings.of(source.label))
    return all(
        meanings.of(other.label)
        and phrases.isdisjoint(meanings.of(other.label))
        and not could_be_mistaken(source, other)
        for other in scene.sources
    )


def with_shuffled_captions(
    questions: Sequence[Question], meanings: PhraseMeanings, seed: int = 0
) -> list[Question]:
    """The same targets, each asked for by the caption of another scene's target that does not name it.

    A question for which there is no such caption is left out.
    """
    order = sorted(questions, key=lambda question: seed_of(seed, "shuffle", question.id))
    shuffled = {}
    for place, question in enumerate(order):
        others = order[place + 1 :] + order[:place]
        other = next((each for each in others if _misnames(each, question, meanings)), None)
        if other is not None:
            shuffled[question.id] = replace(question, text=other.text, named=other.named)
    return [shuffled[question.id] for question in questions if question.id in shuffled]


def _misnames(other: Question, question: Question, meanings: PhraseMeanings) -> bool:
    target = question.target
    return (
        target is not None
        and other.scene.name != question.scene.name
        and not meanings.names(other.text, target.label)
    )


def with_true_spans(questions: Sequence[Question]) -> list[Question]:
    """The same questions, with the times at which the target sounds."""
    return [
        replace(question, spans=question.target.spans)
        for question in questions
        if question.target is not None
    ]


def removals(questions: Sequence[Question]) -> dict[Place, Place]:
    """Place of a question → that of the other source's, where a scene has two and both are asked for.

    What is left when the other source is taken out is the same sound that the question asks for.
    """
    asked = {question.place: question.scene for question in questions}
    pairs: dict[Place, Place] = {}
    for (name, source), scene in asked.items():
        if source is not None and len(scene.sources) == 2 and (name, 1 - source) in asked:
            pairs[name, source] = (name, 1 - source)
    return pairs
