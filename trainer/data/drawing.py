"""The random choices of a training sample: a pure function of the seed, the position and the pools.

Nothing is read here. A run that goes on after a crash, or on more processes, makes the same draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from dataengine.errors import UserError
from manifests.identity import seed_of
from trainer.conditions.dropping import DropProbabilities
from trainer.data.mixing import OCTAVES_HZ
from trainer.data.pools import TARGET, Compatibility, Item, Pool

Strategy: TypeAlias = Literal["real", "remixed", "synthetic", "pseudo_labelled", "absent"]
Kind: TypeAlias = Literal["triplet", "pseudo_labelled", "recording"]
"""What shards are drawn from for. As recordings, triplets give their targets and their mixtures, each as a sound."""

KIND_OF: dict[Strategy, Kind] = {
    "real": "triplet",
    "remixed": "triplet",
    "synthetic": "recording",
    "pseudo_labelled": "pseudo_labelled",
    "absent": "recording",
}
"""Which pool each strategy draws from."""

PARTNER_TRIES = 1_000


@dataclass(frozen=True)
class MixingConfig:
    """How samples are mixed."""

    shares: Mapping[Strategy, float]
    """How often each strategy comes, in any unit.

    `real`: a real triplet, as it is. `remixed`: a real triplet, its target raised or lowered. `synthetic`: two
    or more recordings, mixed. `pseudo_labelled`: a mixture and the stems that a separator made of it.
    `absent`: a mixture of recordings in which the prompt names nothing; the target is silence.
    """
    seconds: float = 4.0
    """Length of a sample."""
    remix_snr_db: float = 5.0
    """A real triplet is re-mixed with the target this much louder or softer at most (slides: ±5)."""
    synthetic_snr_db: float = 15.0
    """The same for synthetic mixtures (slides: ±15)."""
    most_others: int = 2
    """A synthetic residual is made of one recording to so many."""
    level_dbfs: tuple[float, float] = (-31.0, -19.0)
    """A mixture's RMS level while it sounds lies between these."""
    speed: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Recordings for synthetic mixtures are played slower or faster by up to this share, and sound lower or
    higher: of a few voices and one door, many (speed perturbation, Ko et al. 2015)."""
    filled: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How often a recording that is shorter than the sample is heard again and again all through it. Short sounds
    that are heard once seldom meet, and a separator learns when to listen instead of what to listen to."""
    colour_db: Annotated[float, Field(ge=0, le=24)] = 0.0
    """Recordings for synthetic mixtures are coloured: each octave is raised or lowered by up to so much, as other
    rooms and microphones would have it. Where a label has one recording, that is all the variety there is."""
    drop: DropProbabilities = field(default_factory=DropProbabilities)
    compatibility: Compatibility = field(default_factory=Compatibility)


@dataclass(frozen=True)
class Draw:
    """One training sample, before anything was read."""

    position: int
    strategy: Strategy
    text: str
    """The prompt."""
    target: Item | None
    """None if the prompt names nothing in the mixture."""
    others: tuple[Item, ...]
    """What the residual is made of; a triplet brings its own."""
    snr_db: float | None
    """Level of the target above the residual; None: as it is."""
    others_snr_db: tuple[float, ...]
    """Level of each of the others above the first one."""
    speeds: tuple[float, ...]
    """How fast the target, if there is one, and each of the others is played; 1: as recorded."""
    filled: tuple[bool, ...]
    """For the same recordings: whether the sample is filled with them."""
    colours: tuple[tuple[float, ...], ...]
    """For the same recordings: dB by which each octave of `trainer.data.mixing.OCTAVES_HZ` is raised."""
    seconds: float
    level_dbfs: float
    dropped: tuple[bool, bool, bool, bool]
    """Mixture, text, video, spans."""
    time: float
    """Uniform in 0..1; decides at which time of the flow the sample is looked at."""
    layout_seed: int
    noise_seed: int


class Drawing:
    """Draws the samples of a training run."""

    def __init__(self, config: MixingConfig, pools: Mapping[Kind, Pool], seed: int) -> None:
        """Raises UserError if a strategy has nothing to draw from."""
        wanted = {strategy: share for strategy, share in config.shares.items() if share > 0}
        if not wanted:
            raise UserError("no strategy has a share of the training samples; give at least one")
        for strategy in wanted:
            if not len(pools.get(KIND_OF[strategy], ())):
                raise UserError(
                    f"strategy {strategy!r} has a share of {wanted[strategy]:g}, and there are no shards "
                    f"of kind {KIND_OF[strategy]!r}; add some, or set its share to 0"
                )
        self._config, self._pools, self._seed = config, pools, seed
        self._strategies = list(wanted)
        self._cumulative = np.cumsum(list(wanted.values())) / sum(wanted.values())

    def draw(self, position: int) -> Draw:
        """The sample at a position, 0, 1, 2 …; the same whatever was drawn before."""
        config = self._config
        random = np.random.default_rng(seed_of(self._seed, "training sample", str(position)))
        strategy = self._strategies[int(np.searchsorted(self._cumulative, random.random(), side="right"))]
        item = self._pools[KIND_OF[strategy]].draw(random)
        mixed = KIND_OF[strategy] == "recording"
        text = _text(item, mixed, random)
        others = self._others(text, random) if mixed else ()
        return Draw(
            position=position,
            strategy=strategy,
            text=text,
            target=None if strategy == "absent" else item,
            others=others,
            snr_db=self._snr_db(strategy, random),
            others_snr_db=tuple(
                float(random.uniform(-1, 1)) * config.synthetic_snr_db for _ in range(len(others) - 1)
            ),
            speeds=tuple(_speed(config.speed, random) for _ in range(1 + len(others))),
            seconds=config.seconds,
            level_dbfs=float(random.uniform(*config.level_dbfs)),
            dropped=config.drop.draw(random),
            time=float(random.random()),
            layout_seed=int(random.integers(2**63)),
            noise_seed=int(random.integers(2**63)),
            filled=tuple(bool(random.random() < config.filled) for _ in range(1 + len(others))),
            colours=tuple(_colour(config.colour_db, random) for _ in range(1 + len(others))),
        )

    def _snr_db(self, strategy: Strategy, random: np.random.Generator) -> float | None:
        widest = {"remixed": self._config.remix_snr_db, "synthetic": self._config.synthetic_snr_db}
        drawn = float(random.uniform(-1, 1))
        return drawn * widest[strategy] if strategy in widest else None

    def _others(self, text: str, random: np.random.Generator) -> tuple[Item, ...]:
        """One recording or more that the text does not name."""
        number = int(random.integers(1, self._config.most_others + 1))
        pool, others = self._pools["recording"], list[Item]()
        for _ in range(PARTNER_TRIES):
            other = pool.draw(random)
            if self._config.compatibility.allows(text, other):
                others.append(other)
            if len(others) == number:
                return tuple(others)
        raise UserError(
            f"nothing can be mixed with {text!r}: of {PARTNER_TRIES} recordings drawn, "
            f"{len(others)} had a text that may stand beside it; add recordings with other texts"
        )


def _speed(widest: float, random: np.random.Generator) -> float:
    """A speed of whole per cents: resampling in simple ratios is cheap."""
    percents = int(100 * widest)
    return 1 + int(random.integers(-percents, percents + 1)) / 100


def _colour(widest_db: float, random: np.random.Generator) -> tuple[float, ...]:
    return tuple(float(widest_db * each) for each in random.uniform(-1, 1, len(OCTAVES_HZ)))


def _text(item: Item, mixed: bool, random: np.random.Generator) -> str:
    """One of an item's names; of a triplet's, one that says nothing of what else sounds in it."""
    names = [name for name in item.names if mixed or name not in item.rest]
    return names[int(random.integers(len(names)))] if names else item.text


def pool_of(kind: Kind, items: Sequence[Item], balance: float) -> Pool:
    """What can be drawn of these items as that kind."""
    return Pool([item for item in items if kind == "recording" or item.sound == TARGET], balance)
