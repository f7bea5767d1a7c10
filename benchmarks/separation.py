"""How well a promptable separator takes scenes apart, beside baselines, an oracle and every bundled specialist.

    python benchmarks/separation.py [--split gate] [--scenes 600] [--separator FOLDER] [--json FILE]

Builds scenes of a split and asks for each source by a prompt that names it beyond doubt. Prints SI-SDR improvement of
target and residual, over the frames in which target and rest both sound: mean and median, with 95 % intervals by a
bootstrap over clips; in strata; what comes of prompts for what is not there; what shuffled captions, spans and removing
instead of asking do; and what solver steps bring, with a plot. Answers are kept in build/benchmarks/separation:
an interrupted call goes on where it stopped, and another separator or more scenes cost only what is new.

`final` is for figures that are reported, not for choices. The seed separator's goals stand at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contestants import deepfilternet
from rich.console import Console
from separation_tables import print_findings

from dataengine.errors import UserError
from dataengine.evaluation.contest import Contest, Entry
from dataengine.evaluation.contestants import Contestant, Promptable, Specialist, bundled_specialists
from dataengine.evaluation.separator_study import SeparatorStudy, Steps, goals
from dataengine.evaluation.true_scenes import TrueScene, read_scenes
from dataengine.models.profile import Profile
from dataengine.report.curve_drawing import Curve, Point, draw_curves
from manifests.catalogue.demo import build_demo
from manifests.catalogue.labelled import labels_to_train_on
from stages.labels import LabelPhrases
from trainer.bundled import BUNDLED, place_of
from trainer.named_separators import profile_of
from trainer.separator import CONFIG, CONFIG_FILE

FOLDER = Path("build/benchmarks/separation")
RECORDINGS = Path("data/recordings")
TRAINED_ON = "seed"
SPLITS = ("gate", "pool", "calibrate", "final")
PARTS = ("quality", "absent", "prompts", "steps")
STEPS = (1, 2, 4, 8, 16, 32)


def scenes_of(split: str, count: int, seed: int) -> list[TrueScene]:
    """The scenes of a split, built if they are not there."""
    folder = FOLDER / f"scenes-{count}-{seed}"
    (demo,) = build_demo(folder, {split: count}, seed=seed, recordings=RECORDINGS)
    return list(read_scenes(demo.truth).values())


def phrases_trained_on() -> frozenset[str]:
    """The phrases of all labels of the split that separators are trained on."""
    phrases = LabelPhrases.load()
    labels = labels_to_train_on(TRAINED_ON, RECORDINGS.resolve())
    return frozenset(phrase for label in labels for phrase in phrases.of(label))


def specialists() -> list[Specialist]:
    """Those whose packages are there; of the others a line."""

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    found = bundled_specialists(tell)
    try:
        return [*found, deepfilternet.contestant()]
    except UserError as error:
        tell(f"DeepFilterNet3 is left out: {error}")
        return found


def profile_with(folder: Path | None, threads: int) -> Profile:
    """The embedded profile; if a folder is given, that of the separator in it."""
    profile = profile_of("embedded" if folder is None else str(folder))
    return profile.model_copy(update={"threads": threads})


def with_steps(profile: Profile, steps: Sequence[int]) -> dict[int, Contestant]:
    """The profile's separator with each number of solver steps; none if it has no solver."""
    entry = profile.models["separator"]
    if entry["adapter"] != "trained":
        print(f"{entry['adapter']!r} has no solver steps to look at", file=sys.stderr)
        return {}
    found: dict[int, Contestant] = {}
    for each in steps:
        update = {"models": profile.models | {"separator": entry | {"steps": each}}}
        found[each] = Promptable.of_profile(f"{each} steps", profile.model_copy(update=update))
    return found


def separator_of(profile: Profile) -> Promptable:
    """What is put to the test; a trained one with the steps that it was saved with, which are named."""
    entry = profile.models["separator"]
    if entry["adapter"] != "trained":
        return Promptable.of_profile(str(entry["adapter"]), profile)
    place = place_of(entry.get("folder", BUNDLED))
    if not (place / CONFIG_FILE).is_file():
        raise UserError("this is no separator; make one with `dataengine train`", where=str(place))
    steps = entry.get("steps") or CONFIG.validate_json((place / CONFIG_FILE).read_bytes()).sampling.steps
    (separator,) = with_steps(profile, [steps]).values()
    name = place.parent.name if place.name == "separator" else place.name
    return Promptable(f"{name}, {steps} steps", separator.digest, separator.separator)


def plot(steps: Steps) -> str:
    """Gains of both stems by solver steps."""
    curves = [
        Curve(
            stem,
            tuple(
                Point(number, mean.value, mean.low, mean.high)
                for number, gains in steps.gains.items()
                for mean in [getattr(gains, stem).mean]
            ),
        )
        for stem in ("target", "residual")
    ]
    return draw_curves(curves, "solver steps", "SI-SDR improvement, dB")


def findings(study: SeparatorStudy, parts: Sequence[str], by_steps: dict[int, Contestant]) -> dict[str, Any]:
    """Ask everything at once, so that each scene is read once, and read what came of it."""
    entries: list[Entry] = []
    if "quality" in parts:
        entries += study.entries_for_quality()
    if "absent" in parts:
        entries += study.entries_for_absent()
    if "prompts" in parts:
        entries += study.entries_for_prompts()
    study.contest.hold([*entries, *study.entries_for_steps(by_steps)])
    quality = study.quality() if "quality" in parts else None
    silences = study.silences() if "absent" in parts else {}
    prompts = study.prompts() if "prompts" in parts else None
    return {
        "quality": quality,
        "silences": silences,
        "prompts": prompts,
        "steps": study.steps(by_steps) if by_steps else None,
        "goals": goals(quality, silences.get(study.separator.name), prompts),
    }


def options_from(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=SPLITS, default="gate")
    parser.add_argument("--scenes", type=int, default=600)
    parser.add_argument("--closer", type=int, default=150, help="scenes for prompts and solver steps")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes")
    parser.add_argument("--separator", type=Path, metavar="FOLDER", help="default: the embedded profile's")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--steps", nargs="+", type=int, default=STEPS, help="numbers of solver steps to try")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each model")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    return parser.parse_args(arguments)


def main() -> None:
    """Build, ask, print."""
    options = options_from()
    try:
        profile = profile_with(options.separator, options.threads)
        study = SeparatorStudy(
            contest=Contest(FOLDER / "answers", profile.sample_rate),
            scenes=scenes_of(options.split, options.scenes, options.seed),
            separator=separator_of(profile),
            specialists=specialists() if {"quality", "absent"} & set(options.parts) else (),
            seen=phrases_trained_on(),
            closer=options.closer,
        )
        by_steps = with_steps(profile, options.steps) if "steps" in options.parts else {}
        found = findings(study, options.parts, by_steps)
    except UserError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    head = {"split": options.split, "scenes": len(study.scenes), "questions": len(study.questions)}
    print_findings(Console(width=max(Console().width, 150)), study.separator.name, head, found)
    if found["steps"]:
        picture = FOLDER / f"steps-{options.split}-{study.separator.digest[:8]}.svg"
        picture.write_text(plot(found["steps"]))
        print(f"solver steps: {picture}")
    if options.json:
        contestants = {each.name: each.digest for each in (study.separator, *study.specialists)}
        whole = {**head, "separator": study.separator.name, "digests": contestants, **found}
        options.json.write_text(json.dumps(whole, indent=2, default=asdict))


if __name__ == "__main__":
    main()
