"""`dataengine eval`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import TypeVar

from rich.console import Console, Group

from dataengine.commands.eval_tables import LEAST_WIDTH, told
from dataengine.errors import UserError
from dataengine.evaluation.benchmark.embedded import FINAL, EmbeddedBenchmark
from dataengine.evaluation.benchmark.examples import choose, hear
from dataengine.evaluation.benchmark.hub_set import read_hub_set
from dataengine.evaluation.benchmark.items import Benchmark
from dataengine.evaluation.benchmark.measures import MEASURES
from dataengine.evaluation.benchmark.page import render_evaluation
from dataengine.evaluation.benchmark.results import Results
from dataengine.evaluation.benchmark.scorers import Scorers
from dataengine.evaluation.benchmark.settings import SETTINGS, PromptKind, Setting, Task
from dataengine.evaluation.benchmark.trial import BASELINES, Trial
from dataengine.evaluation.contest import Contest
from dataengine.evaluation.contestants import Promptable, Specialist, bundled_specialists
from dataengine.models.profile import Profile, ProfileModels
from dataengine.report.formats import printable
from dataengine.report.page import PAGE
from dataengine.validation import suggestion
from manifests.media import MediaError
from trainer.named_separators import contestant_of, profile_of

EMBEDDED = "embedded"
RESULTS_FILE, ANSWERS_FOLDER = "eval.json", "answers"

Kind = TypeVar("Kind", Task, PromptKind)


@dataclass(frozen=True)
class Asking:
    """What is asked, as the command line says it."""

    benchmark: str
    """`EMBEDDED`, or a Parquet file in the hub set's format."""
    split: str
    reporting: bool
    """Whether its figures are for a report, and choose nothing: what split final is for."""
    tasks: str | None
    """With commas between; None: all of them."""
    prompts: str | None
    limit: int
    data: Path
    """Where the embedded benchmark is built."""
    media: Path | None
    """Of a benchmark in a file."""
    skip_missing: bool

    def settings(self) -> list[Setting]:
        """The settings that were asked for. Raises UserError for a name that is none, or if none is left."""
        tasks, prompts = _named(Task, self.tasks, "--tasks"), _named(PromptKind, self.prompts, "--prompts")
        found = [each for each in SETTINGS if each.task in tasks and each.prompts in prompts]
        if not found:
            raise UserError(f"{self.tasks} is not asked by {self.prompts}", where="--tasks, --prompts")
        return found

    def check(self) -> None:
        """Raise UserError for what can be seen to be wrong before any model is loaded."""
        self.settings()
        if self.benchmark != EMBEDDED and self.media is None:
            raise UserError("say where its recordings lie: --media FOLDER", where=self.benchmark)
        if self.benchmark == EMBEDDED and self._embedded.split == FINAL and not self.reporting:
            raise UserError(
                "split final is opened for figures that are reported, never for choices; if that is what these are "
                "for, say --reporting"
            )

    def build(self) -> tuple[Benchmark, Path | None]:
        """The benchmark, and the list of what it must not have trained. Raises UserError."""
        settings = self.settings()
        if self.benchmark == EMBEDDED or self.media is None:
            return self._embedded.build(settings), self._embedded.never_train
        table, skip = Path(self.benchmark), self.skip_missing
        return read_hub_set(table, self.media, settings, self.limit, skip_missing=skip), None

    @property
    def _embedded(self) -> EmbeddedBenchmark:
        return EmbeddedBenchmark(self.data, self.split, self.limit)


def evaluate(separator: str, against: str | None, asking: Asking, out: Path, as_json: bool) -> None:
    """Ask, write figures and page, and print what came of it. Raises UserError."""
    profiles = {"separator": profile_of(separator)}
    if against is not None:
        profiles["against"] = profile_of(against)
    asking.check()
    contestants = _contestants([separator] if against is None else [separator, against], profiles.values())
    scorers = Scorers(profiles["separator"])
    benchmark, never_train = asking.build()
    contest = Contest(out / ANSWERS_FOLDER, profiles["separator"].sample_rate, scorers)
    trial = Trial(benchmark, contest, *contestants, scorers.roles)
    try:
        trial.hold()
    except MediaError as error:
        raise UserError(f"a recording of the benchmark cannot be read: {error}") from error
    results = _results(trial, scorers, profiles)
    page = out / PAGE
    page.write_text(render_evaluation(results, hear(trial, choose(trial)), trial.primary), encoding="utf-8")
    plain = results.to_dict() | {"never_train": None if never_train is None else str(never_train)}
    (out / RESULTS_FILE).write_text(json.dumps(plain, indent=2), encoding="utf-8")
    if as_json:
        print(json.dumps(plain))
        return
    Console(width=max(Console().width, LEAST_WIDTH)).print(Group(*told(results)))
    print(f"figures   {out / RESULTS_FILE}\npage      {page}")
    if never_train is not None:
        print(
            f"never train on what is listed in {never_train}: dataengine index --never-train, and never_train in "
            "training files"
        )


def _contestants(
    separators: Sequence[str], profiles: Iterable[Profile]
) -> tuple[Promptable, Promptable | None, list[Specialist]]:
    """What is put to the test, what it is held against, and the specialists; no two under one name."""
    console = Console(stderr=True)
    specialists = bundled_specialists(lambda line: console.print(printable(line), highlight=False))
    taken = {each.name for each in BASELINES} | {each.name for each in specialists}
    found: list[Promptable] = []
    for separator, profile in zip(separators, profiles, strict=True):
        found.append(_apart(contestant_of(separator, profile), taken | {each.name for each in found}))
    return found[0], found[1] if len(found) > 1 else None, specialists


def _apart(contestant: Promptable, taken: Collection[str]) -> Promptable:
    """Under a name that nobody else has: tables know contestants by it."""
    names = chain([contestant.name], (f"{contestant.name} ({number})" for number in count(2)))
    return replace(contestant, name=next(name for name in names if name not in taken))


def _results(trial: Trial, scorers: Scorers, profiles: dict[str, Profile]) -> Results:
    benchmark = trial.benchmark
    cards = {role: each for role, each in scorers.provenance.items() if role in scorers.roles}
    separators = {
        name: ProfileModels(profile).provenance(("separator",))["separator"]
        for name, profile in profiles.items()
    }
    return Results(
        benchmark=benchmark.name,
        digest=benchmark.digest,
        sample_rate=trial.contest.sample_rate,
        contestants={each.name: each.digest for each in trial.contestants},
        separator=trial.separator.name,
        against=None if trial.against is None else trial.against.name,
        tables=trial.tables(),
        not_available={each.title: why for each in MEASURES if (why := trial.why_not(each)) is not None},
        silences=trial.silences(),
        wins=trial.wins(),
        left_out=[(each.title, each.prompts, why) for each, why in benchmark.left_out.items()],
        notes=benchmark.notes,
        models=separators | cards,
    )


def _named(kind: type[Kind], written: str | None, option: str) -> list[Kind]:
    if written is None:
        return list(kind)
    names = [each.strip() for each in written.split(",")]
    known = [each.value for each in kind]
    for name in names:
        if name not in known:
            raise UserError(f"{name!r} is none of them{suggestion(name, known)}", where=option)
    return [kind(name) for name in names]
