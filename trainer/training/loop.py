"""The training loop.

    for step in steps:
        latents of the step's batches              trainer.data.samples
        their gradients                            trainer.training.step
        skip it if it would spoil the weights      trainer.training.guard
        change the weights, and their average      trainer.training.optimisers, .averaging
        now and then: write a checkpoint           trainer.training.checkpoint
        and see what it is worth                   trainer.training.judging

A run goes on from its last checkpoint as if it had never stopped: samples follow from the step, and what
else changes is in the checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing

from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from manifests.identity import seed_of
from trainer.alignment import AlignmentHead
from trainer.bundled import place_of
from trainer.conditions import TextStates
from trainer.data.drawing import Drawing, pool_of
from trainer.data.indexing import index_shards
from trainer.data.never_training import refuse_never_train
from trainer.data.samples import TrainingBatch, TrainingSamples, encode
from trainer.data.shards import ShardReader
from trainer.dit import DiTBlock
from trainer.model import SeparationModel
from trainer.presets import PRESETS
from trainer.separator import WEIGHTS_FILE
from trainer.training.averaging import AveragedWeights
from trainer.training.batches import Batches
from trainer.training.checkpoint import (
    AVERAGE_FILE,
    Trained,
    checkpoints_in,
    load_checkpoint,
    save_checkpoint,
)
from trainer.training.collating import Collating
from trainer.training.configuration import TrainConfig
from trainer.training.distributed import World, spread
from trainer.training.folder import (
    CHECKPOINTS_FOLDER,
    CONFIG_FILE,
    EXAMPLES_FOLDER,
    INDEX_FOLDER,
    LOG_FILE,
    STARTED_IN_FILE,
)
from trainer.training.guard import Guard
from trainer.training.judging import Judge
from trainer.training.log import StepLog, StepReport
from trainer.training.optimisers import build_optimisers, clip_gradients, set_learning_rates
from trainer.training.step import Objective, gradients
from trainer.training.tensorboard import TensorBoard
from trainer.training.utilisation import work_of


def train(
    config: TrainConfig, out: Path, world: World, on_step: Callable[[StepReport], None] = lambda report: None
) -> Path:
    """Train, or go on where an earlier call with the same configuration stopped; returns the last checkpoint.

    `out/separator/` holds the averaged weights of the best checkpoint as a `Separator`.

    Raises UserError if `out` holds another training run, if there is nothing to train on, or if a model of the profile
    is missing or does not fit.
    """
    config, folder = config.pinned(), out / CHECKPOINTS_FOLDER
    codec = config.codec.build(config.profile).to(world.device)
    texts = TextStates.of(ProfileModels(Profile.load(config.profile)))
    texts.of_width(PRESETS[config.preset].dit.text_width)
    if world.leads:
        _claim(out, config)
    world.wait()
    batches = _batches(config, out / INDEX_FOLDER, world)
    trained = _start(config, world)
    guard, first = Guard(config.guard), 0
    if earlier := checkpoints_in(folder):
        state = load_checkpoint(earlier[-1], trained)
        guard.load(state["guard"])
        first = state["step"]
    log = StepLog(out / LOG_FILE, first) if world.leads else None
    judge = Judge(config, out, folder, out / INDEX_FOLDER, world.device) if world.leads else None
    board = TensorBoard(out, first) if world.leads and config.tensorboard else None
    if judge and earlier:  # a kill may have come before it was judged
        _judge(judge, board, out, first)
    waited = 0.0
    if world.leads:
        work_of(config, batches.samples_a_step, world).write(out)
    for step, micro_batches in batches.steps(first, config.steps):
        began = time.perf_counter()
        encoded = [encode(batch.to(world.device), codec) for batch in micro_batches]
        report = _step(config, trained, guard, step, encoded, world)
        seconds, waiting = time.perf_counter() - began, batches.waited - waited
        waited = batches.waited
        report = replace(report, seconds=seconds + waiting, waited=waiting)
        if log:
            log.write(report)
        if board:
            board.step(report)
        on_step(report)
        if (step + 1) % config.checkpoints.every == 0 or step + 1 == config.steps:
            save_checkpoint(folder, step + 1, trained, {"guard": guard.state()}, world)
            if judge:
                _judge(judge, board, out, step + 1)
            world.wait()
    return checkpoints_in(folder)[-1]


def _judge(judge: Judge, board: TensorBoard | None, out: Path, step: int) -> None:
    """See what the last checkpoint is worth."""
    checkpoint = checkpoints_in(out / CHECKPOINTS_FOLDER)[-1]
    found = judge.judge(checkpoint, step)
    if board and found:
        board.validation(step, found, out / EXAMPLES_FOLDER / checkpoint.name)


def _step(
    config: TrainConfig, trained: Trained, guard: Guard, step: int, batches: list[TrainingBatch], world: World
) -> StepReport:
    """One step; how long it took is for the caller to say."""
    factor = config.schedule.factor(step, config.steps)
    set_learning_rates(trained.optimisers, config.optimiser, factor)
    for optimiser in trained.optimisers:
        optimiser.zero_grad()
    flow, auxiliary = gradients(trained.model, batches)
    norm = clip_gradients(trained.model, config.clip)
    loss, other = float(world.mean(flow)), float(world.mean(auxiliary))
    skipped = guard.admits(loss, float(norm))
    if skipped is None:
        for optimiser in trained.optimisers:
            optimiser.step()
        trained.average.update(trained.model, step)
    return StepReport(step, loss, other, float(norm), factor, skipped)


def _claim(out: Path, config: TrainConfig) -> None:
    """Note the configuration in a new folder, or see that the folder's is the same; and where its paths start from."""
    out.mkdir(parents=True, exist_ok=True)
    place = out / CONFIG_FILE
    if not place.exists():
        place.write_text(config.identity())
    elif place.read_text() != config.identity():
        raise UserError(
            "this folder holds a training run with another configuration; choose another --out, or take the "
            "change back",
            where=str(out),
        )
    (out / STARTED_IN_FILE).write_text(str(Path.cwd()))


def _batches(config: TrainConfig, index: Path, world: World) -> Batches:
    items = {kind: index_shards(places, index) for kind, places in config.data.shards.items()}
    refuse_never_train(chain.from_iterable(items.values()), config.never_train)
    pools = {kind: pool_of(kind, found, config.data.balance) for kind, found in items.items()}
    drawing = Drawing(config.data.mixing, pools, config.seed)
    rate = config.codec.sample_rate
    samples = TrainingSamples(drawing, ShardReader(rate), rate)
    models = ProfileModels(Profile.load(config.profile))
    collating = Collating(config.codec, models, config.times, hears=config.objective.alignment > 0)
    return Batches(samples, collating, config.batch, config.data.mixing.seconds, world)


def _start(config: TrainConfig, world: World) -> Trained:
    """The model as it is before the first step, the same in every process."""
    torch.manual_seed(seed_of(config.seed, "weights") % 2**63)
    preset = PRESETS[config.preset]
    network = SeparationModel(preset)
    head = _head(config, preset.dit.dim)
    objective = Objective(network, preset.path, head, config.objective)
    if config.start_from:
        _take_weights(objective, config.start_from)
    if config.recompute:
        apply_activation_checkpointing(objective, check_fn=lambda module: isinstance(module, DiTBlock))
    if config.compile:
        network.dit.compile()
    model = spread(objective, world, config.spread)
    return Trained(model, build_optimisers(model, config.optimiser), AveragedWeights(model, config.average))


def _head(config: TrainConfig, dim: int) -> nn.Module | None:
    if config.objective.alignment == 0:
        return None
    tagger = ProfileModels(Profile.load(config.profile)).load("tagger")
    return AlignmentHead(dim, tagger.embedding_width)


def _take_weights(objective: Objective, start_from: str) -> None:
    """Start from averaged weights; the auxiliary head may be new, or be left behind."""
    found = _weights_in(place_of(start_from))
    wanted = dict(objective.network.named_parameters(prefix="network"))
    missing = [name for name, own in wanted.items() if name not in found or found[name].shape != own.shape]
    if missing:
        raise UserError(
            f"the checkpoint is of another network: it lacks {len(missing)} weights of this shape, {missing[0]} first",
            where=start_from,
        )
    own = {name: tensor for name, tensor in found.items() if name in dict(objective.named_parameters())}
    objective.load_state_dict(own, strict=False)


def _weights_in(place: Path) -> dict[str, Tensor]:
    """The average in a checkpoint, or a separator's weights; named as in an Objective."""
    if (place / AVERAGE_FILE).is_file():
        return load_file(place / AVERAGE_FILE)
    if (place / WEIGHTS_FILE).is_file():
        return {f"network.{name}": each.float() for name, each in load_file(place / WEIGHTS_FILE).items()}
    raise UserError(
        f"there is nothing to start from, neither {AVERAGE_FILE} nor {WEIGHTS_FILE}", where=str(place)
    )
