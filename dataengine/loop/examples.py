"""The same scenes of the gate set, taken apart by every separator of a loop, to listen to.

examples/00/{prompt.txt,mixture.flac,truth.flac}     a question
examples/00/0002.flac                                the target that the separator of round 2 finds; 0000: of the first
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, zip_longest

from dataengine.engine.storage import Storage
from dataengine.evaluation.asking import ask
from dataengine.evaluation.contestants import Promptable
from dataengine.evaluation.questions import Question
from dataengine.models.profile import Profile
from manifests.media import encode_flac

EXAMPLES_FOLDER = "examples"
EXAMPLES = 6


def examples_of(questions: Sequence[Question]) -> list[Question]:
    """A few questions: the first of each category of what is asked for, before a second of any."""
    of_category: dict[str, list[Question]] = {}
    for question in questions:
        if len(question.scene.sources) > 1:
            of_category.setdefault(question.named.category, []).append(question)
    turns = zip_longest(*(of_category[name] for name in sorted(of_category)))
    return [each for each in chain.from_iterable(turns) if each is not None][:EXAMPLES]


def write_examples(storage: Storage, questions: Sequence[Question], number: int, profile: Profile) -> None:
    """Have the separator with a number answer the questions, unless it has."""
    missing = {
        place: question
        for place, question in enumerate(questions)
        if not storage.exists(f"{EXAMPLES_FOLDER}/{place:02d}/{number:04d}.flac")
    }
    if not missing:
        return
    rate, separator = profile.sample_rate, Promptable.of_profile(str(number), profile)
    for place, question in missing.items():
        (asked,) = ask([question], rate)
        (answer,) = separator.separate([asked])
        sounds = {"mixture": asked.mixture, "truth": asked.target, f"{number:04d}": answer.target}
        folder = f"{EXAMPLES_FOLDER}/{place:02d}"
        storage.replace(f"{folder}/prompt.txt", question.text.encode())
        for name, waveform in sounds.items():
            storage.replace(f"{folder}/{name}.flac", encode_flac(waveform.clip(-1, 1), rate))
