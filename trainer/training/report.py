"""The report page of a training run: `report.html` in its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import soundfile
from markupsafe import Markup

from dataengine.errors import UserError
from dataengine.report.curve_drawing import Line, draw_lines
from dataengine.report.rendering import render_page
from dataengine.report.spectrogram import spectrogram_images
from trainer.training.folder import CONFIG_FILE, EXAMPLES_FOLDER, LOG_FILE, REPORT_PAGE, VALIDATION_FILE
from trainer.training.utilisation import Work

POINTS = 240
"""As many means of neighbouring steps make a curve."""
ROUNDS = 4
"""Of so many validations, from the first to the last, one hears what was found."""


@dataclass(frozen=True)
class Steps:
    """What the log says, step by step."""

    number: tuple[int, ...]
    loss: tuple[float, ...]
    auxiliary: tuple[float, ...]
    gradient_norm: tuple[float, ...]
    learning_rate_factor: tuple[float, ...]
    seconds: tuple[float, ...]
    waited: tuple[float, ...]
    skipped: tuple[str | None, ...]

    @classmethod
    def read(cls, log: Path) -> Steps:
        """Of a log's whole lines."""
        rows = _json_lines(log)
        names = ("loss", "auxiliary", "gradient_norm", "learning_rate_factor", "seconds", "waited", "skipped")
        columns = {name: tuple(row[name] for row in rows) for name in names}
        return cls(number=tuple(row["step"] for row in rows), **columns)


@dataclass(frozen=True)
class Heard:
    """A sound of an example, as files beside the page."""

    name: str
    audio: str
    image: str


@dataclass(frozen=True)
class Example:
    """A validation sample, and what the separator made of it over time."""

    prompt: str
    seconds: float
    stems: tuple[Heard, ...]


@dataclass(frozen=True)
class Pace:
    """How fast it went."""

    steps_a_second: float
    frames_a_second: float | None
    utilisation: float | None
    """Of the measured matmul peak, 0..1."""
    wait_share: float
    seconds: float


def write_training_report(folder: Path) -> Path:
    """Write, or write anew, the page of a training run; it may still be going on.

    Returns `report.html`; it can be moved together with `examples/`. Raises UserError if no step is done yet.
    """
    steps = Steps.read(folder / LOG_FILE)
    if not steps.number:
        raise UserError("no step is done yet", where=str(folder))
    config = json.loads((folder / CONFIG_FILE).read_text())
    validations = _json_lines(folder / VALIDATION_FILE)
    html = render_page(
        "training.html",
        name=folder.resolve().name,
        config=json.dumps(config, indent=2, sort_keys=True),
        preset=config["preset"],
        steps=steps,
        pace=pace_of(steps, Work.read(folder)),
        skipped=[(number, why) for number, why in zip(steps.number, steps.skipped, strict=True) if why],
        validations=validations,
        best=max(validations, key=lambda each: each["merit"]) if validations else None,
        curves=_curves(steps, validations),
        examples=_examples(folder),
    )
    incomplete = folder / f"{REPORT_PAGE}.incomplete"
    incomplete.write_text(html)
    return incomplete.replace(folder / REPORT_PAGE)


def pace_of(steps: Steps, work: Work | None) -> Pace:
    """Over all steps; without `work`, what the model does with the time is not known."""
    seconds = sum(steps.seconds)
    steps_a_second = len(steps.number) / max(seconds, 1e-9)
    return Pace(
        steps_a_second=steps_a_second,
        frames_a_second=work.frames * steps_a_second if work else None,
        utilisation=work.utilisation(steps_a_second) if work else None,
        wait_share=sum(steps.waited) / max(seconds, 1e-9),
        seconds=seconds,
    )


def _curves(steps: Steps, validations: Sequence[dict[str, Any]]) -> list[tuple[str, str, Markup]]:
    """Title, a word on it, and the picture."""

    def over_steps(
        title: str, about: str, y_title: str, **values: Sequence[float]
    ) -> tuple[str, str, Markup]:
        lines = [Line(name, _means(steps.number, column)) for name, column in values.items()]
        return title, about, Markup(draw_lines(lines, "step", y_title))  # noqa: S704

    trained = {"loss": steps.loss} | ({"auxiliary": steps.auxiliary} if any(steps.auxiliary) else {})
    curves = [
        over_steps("Loss", "Of what was trained on, means of neighbouring steps.", "loss", **trained),
        over_steps("Gradient", "Norm before clipping.", "norm", gradient=steps.gradient_norm),
        over_steps("Learning rate", "As a share of the highest.", "factor", rate=steps.learning_rate_factor),
        over_steps(
            "Time", "Of a step, and of it for data.", "seconds", step=steps.seconds, data=steps.waited
        ),
    ]
    if validations:
        gains = {
            name: tuple((each["step"], each[key]) for each in validations)
            for name, key in (("target", "target_gain"), ("residual", "residual_gain"))
        }
        picture = draw_lines([Line(*each) for each in gains.items()], "step", "SI-SDR improvement, dB")
        about = "Mean SI-SDR improvement over the mixture, of recordings that training never hears."
        curves.insert(1, ("Validation", about, Markup(picture)))  # noqa: S704
        silence = Line("silence", tuple((each["step"], each["silence"]) for each in validations))
        about = "How far the target lies below the mixture where the prompt names nothing in it."
        curves.insert(2, ("Silence", about, Markup(draw_lines([silence], "step", "dB"))))  # noqa: S704
    return curves


def _means(numbers: Sequence[int], values: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """The values as at most `POINTS` points, each the mean of its stretch."""
    stretch = -(-len(numbers) // POINTS)
    starts = range(0, len(numbers), stretch)
    return tuple((fmean(numbers[i : i + stretch]), fmean(values[i : i + stretch])) for i in starts)


def _examples(folder: Path) -> list[Example]:
    """What was written for listening, with spectrograms beside it."""
    rounds = sorted(each for each in (folder / EXAMPLES_FOLDER).glob("step-*") if each.is_dir())
    if not rounds:
        return []
    chosen = [rounds[round(i * (len(rounds) - 1) / (ROUNDS - 1))] for i in range(ROUNDS)]
    chosen = list(dict.fromkeys(chosen))
    return [_example(folder, chosen, each.name) for each in sorted(chosen[-1].iterdir()) if each.is_dir()]


def _example(folder: Path, rounds: Sequence[Path], number: str) -> Example:
    last = rounds[-1] / number
    files = {"mixture": last / "mixture.flac", "truth": last / "truth.flac"}
    files |= {f"at {_step(each)}": each / number / "target.flac" for each in rounds}
    files["residual"] = last / "residual.flac"
    files = {name: file for name, file in files.items() if file.is_file()}
    sounds = [soundfile.read(file, dtype="float32") for file in files.values()]
    rate = sounds[0][1]
    images = spectrogram_images([waveform for waveform, _ in sounds], rate)
    stems = []
    for (name, file), image in zip(files.items(), images, strict=True):
        file.with_suffix(".png").write_bytes(image)
        audio, picture = (str(each.relative_to(folder)) for each in (file, file.with_suffix(".png")))
        stems.append(Heard(name, audio, picture))
    prompt = (last / "prompt.txt").read_text().strip()
    return Example(prompt, len(sounds[0][0]) / rate, tuple(stems))


def _step(examples: Path) -> str:
    return f"{int(examples.name.removeprefix('step-')):,}"


def _json_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file, which may be growing."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().split("\n")[:-1] if line]
