"""How fast the separator's model trains and separates, and what takes the time.

    python benchmarks/model_speed.py [--preset seed] [--seconds 60] [--threads 2]

Training: a step on a batch of so many seconds, with its parts; the share of the matrix-multiplication peak, which is
measured in the same run at the model's own shapes, that reaches the model; and the same step with the model written
plainly in PyTorch (contestants/plain_model.py), which is first seen to say the same. Separating: 10-s windows at the
default number of steps, in times real time, and how much longer that takes than plain model and transform alone.
Goals: 55 % of the peak in training, 4 times real time in separating, and nothing slower than plain PyTorch.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np
import torch
from contestants.plain_model import stems
from rich.console import Console
from rich.table import Table
from torch import Tensor

from dataengine.models.profile import Profile, ProfileModels
from trainer.codec.mdct import MdctConfig
from trainer.conditions import Conditions
from trainer.data.samples import TrainingBatch
from trainer.flow.loss import FlowMatchingLoss
from trainer.flow.sampling import SamplingConfig
from trainer.model import SeparationModel
from trainer.presets import PRESETS
from trainer.separator import Prompted, Separator, SeparatorConfig
from trainer.training.averaging import AveragedWeights
from trainer.training.optimisers import OptimiserConfig, build_optimisers, clip_gradients
from trainer.training.precision import arithmetic
from trainer.training.step import Objective, ObjectiveConfig
from trainer.training.utilisation import matmul_peak, operations_a_sample

SAMPLE_SECONDS = 5.0
WINDOW_SECONDS = 10.0
TOKENS = 8
UTILISATION_GOAL, REAL_TIME_GOAL = 0.55, 4.0
PRODUCTS = arithmetic("auto", "cpu")
"""The type in which a training file that says `precision: auto` multiplies here."""
SAME = 2e-3
"""Two ways to compute the same, in float32, of numbers around 1."""


@dataclass
class Parts:
    """Seconds that each part of a step took, again and again."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], Tensor | None]) -> Tensor | None:
        """Do the work and note how long it took."""
        began = time.perf_counter()
        done = work()
        self.seconds.setdefault(name, []).append(time.perf_counter() - began)
        return done

    def medians(self) -> dict[str, float]:
        """Seconds of each part."""
        return {name: median(each) for name, each in self.seconds.items()}


def random_model(preset: str) -> SeparationModel:
    """With weights that all matter: as it is made, what comes out is zero."""
    torch.manual_seed(0)
    model = SeparationModel(PRESETS[preset])
    with torch.no_grad():
        for each in model.parameters():
            each.add_(0.02 * torch.randn_like(each))
    return model


def random_batch(model: SeparationModel, samples: int, frames: int) -> TrainingBatch:
    """Numbers like those of latents; how long a step takes does not depend on them."""
    dit = model.config.dit
    x0, x1 = torch.randn(2, samples, frames, 2 * dit.channels)
    return TrainingBatch(
        x0=x0,
        x1=x1,
        t=torch.rand(samples),
        conditions=Conditions(
            mixture=torch.randn(samples, frames, dit.channels),
            text=torch.randn(samples, TOKENS, dit.text_width),
            text_mask=torch.ones(samples, TOKENS, dtype=torch.bool),
            spans=torch.zeros(samples, frames, dtype=torch.long),
        ),
    )


def plainly(model: SeparationModel, weights: dict[str, Tensor], batch: TrainingBatch, xt: Tensor) -> Tensor:
    """x₁ as the plain model has it."""
    c, dit = batch.conditions, model.config.dit
    seen = model.path.expected_end(xt, batch.t) if model.config.sees == "expected" else xt
    assert dit.transform_power is not None
    return stems(
        weights, dit.heads, dit.transform_power, seen, batch.t, c.mixture, c.text, c.text_mask, c.spans
    )


def difference(model: SeparationModel, batch: TrainingBatch) -> float:
    """The largest between the two."""
    xt = model.path.point(batch.x0, batch.x1, batch.t)
    with torch.inference_mode():
        ours = model(xt, batch.t, batch.conditions).estimate.x1
        return float((ours - plainly(model, dict(model.state_dict()), batch, xt)).abs().max())


def time_training(
    preset: str, batch_seconds: float, repeats: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of the parts of a step: ours, and with the plain model. The two take turns."""
    model = random_model(preset)
    frames = MdctConfig().frames(round(SAMPLE_SECONDS * MdctConfig().sample_rate))
    batch = random_batch(model, round(batch_seconds / SAMPLE_SECONDS), frames)
    config = ObjectiveConfig(FlowMatchingLoss("x1"), alignment=0, precision="auto")
    objective = Objective(model, model.path, None, config)
    optimisers = build_optimisers(objective, OptimiserConfig("muon"))
    average = AveragedWeights(objective, 0.999)
    ours, plain = Parts(), Parts()

    def plain_loss() -> Tensor:
        xt = model.path.point(batch.x0, batch.x1, batch.t)
        with torch.autocast("cpu", PRODUCTS, enabled=PRODUCTS is not torch.float32):
            x1 = plainly(model, dict(model.named_parameters()), batch, xt)
        return (x1.float() - batch.x1).square().mean()

    def change() -> None:
        for optimiser in optimisers:
            optimiser.step()

    for step in range(repeats):
        for parts, loss_of in ((ours, lambda: objective(batch)[0]), (plain, plain_loss)):
            objective.zero_grad()
            loss = parts.time("forwards", loss_of)
            assert loss is not None
            parts.time("backwards", loss.backward)
        ours.time("clip gradients", lambda: clip_gradients(objective, 1.0))
        ours.time("optimisers", change)
        ours.time("average", lambda step=step: average.update(objective, step))  # type: ignore[misc]
    return ours.medians(), plain.medians()


def time_separating(preset: str, windows: int, steps: int, repeats: int) -> tuple[float, float]:
    """Seconds for so many windows: by the separator, and by plain model and transform alone."""
    model = random_model(preset).eval()
    encoder = ProfileModels(Profile.load("embedded")).load("text_encoder")
    sampling = SamplingConfig("euler", steps)
    separator = Separator(SeparatorConfig(model.config, sampling=sampling), model, encoder)
    noise = 0.05 * np.random.default_rng(0).normal(
        size=(windows, round(WINDOW_SECONDS * separator.sample_rate))
    )
    mixtures = list(noise.astype(np.float32))
    prompted = [Prompted(mixture, "dog barking") for mixture in mixtures]
    weights, size, ours, plain = dict(model.state_dict()), separator.windows_a_batch, Parts(), Parts()

    @torch.inference_mode()
    def bare() -> None:
        for first in range(0, windows, size):
            waveforms = torch.from_numpy(np.stack(mixtures[first : first + size]))
            latents = separator.codec.encode(waveforms)
            batch = random_batch(model, *latents.shape[:2])
            batch = replace(batch, conditions=replace(batch.conditions, mixture=latents))
            for _ in range(steps):
                x1 = plainly(model, weights, batch, batch.x0)
            separator.codec.decode(x1.chunk(2, dim=-1)[0], waveforms.shape[-1])

    def hear() -> None:
        separator.hear(prompted)

    for _ in range(repeats):
        ours.time("all", hear)
        plain.time("all", bare)
    return ours.medians()["all"], plain.medians()["all"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=("tiny", "seed"), default="seed")
    parser.add_argument("--seconds", type=float, default=60.0, help="of audio in a step")
    parser.add_argument("--windows", type=int, default=32, help="to separate")
    parser.add_argument("--steps", type=int, default=1, help="of the solver")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    model = random_model(options.preset)
    apart = difference(model, random_batch(model, 2, 50))
    assert apart < SAME, f"the plain model says something else: {apart}"
    print(f"the plain model says the same, to {apart:.1e}")

    samples = round(options.seconds / SAMPLE_SECONDS)
    frames = MdctConfig().frames(round(SAMPLE_SECONDS * MdctConfig().sample_rate))
    dit = PRESETS[options.preset].dit
    peak = matmul_peak(samples * frames, dit.dim, dit.hidden, PRODUCTS, torch.device("cpu"))
    operations = samples * operations_a_sample(options.preset, frames)
    ours, plain = time_training(options.preset, options.seconds, options.repeats)
    step = sum(ours.values())
    print(f"the network multiplies in {PRODUCTS}")
    print_training(ours, operations, peak)
    both = ours["forwards"] + ours["backwards"]
    ratio = both / (plain["forwards"] + plain["backwards"])
    print(f"forwards and backwards take {ratio:.2f} x the plain model's time")
    used = operations / step / peak
    goal(f"{used:.0%} of the peak in training", used >= UTILISATION_GOAL)

    seconds, bare = time_separating(options.preset, options.windows, options.steps, options.repeats)
    fast = options.windows * WINDOW_SECONDS / seconds
    print(f"separating takes {seconds / bare:.2f} x the time of plain model and transform")
    goal(f"{fast:.0f} x real time at {options.steps} steps", fast >= REAL_TIME_GOAL)


def print_training(parts: dict[str, float], operations: float, peak: float) -> None:
    """What a step is made of."""
    table = Table(title=f"A training step; the peak is {peak / 1e9:.0f} GFLOP/s", title_justify="left")
    for name, justify in (
        ("part", "left"),
        ("seconds", "right"),
        ("share", "right"),
        ("of the peak", "right"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    whole, work = sum(parts.values()), {"forwards": operations / 3, "backwards": 2 * operations / 3}
    for name, seconds in parts.items():
        used = f"{work[name] / seconds / peak:.0%}" if name in work else "–"
        table.add_row(name, f"{seconds:.3f}", f"{seconds / whole:.0%}", used)
    table.add_row("a step", f"{whole:.3f}", "", f"{operations / whole / peak:.0%}")
    Console().print(table)


def goal(what: str, reached: bool) -> None:
    """Say whether a goal is reached."""
    print(f"{'reached    ' if reached else 'not reached'} {what}")


if __name__ == "__main__":
    main()
