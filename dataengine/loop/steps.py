"""The steps of a round. Each goes on where it was stopped, and does nothing where it is done."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dataengine.errors import UserError
from dataengine.evaluation.questions import Question
from dataengine.loop.calibrating import calibrated_filters, calibration_pipeline
from dataengine.loop.configuration import LoopConfig
from dataengine.loop.examples import examples_of, write_examples
from dataengine.loop.fitting import check_first_separator, check_text_encoders
from dataengine.loop.gate import Comparison, compare, gate_questions
from dataengine.loop.separators import Separators
from dataengine.loop.state import (
    ANSWERS_FOLDER,
    EVALUATION_FILE,
    INITIAL,
    LABEL_FOLDER,
    TRAIN_FOLDER,
    LoopDirectory,
    LoopState,
)
from dataengine.models.profile import Profile, ProfileModels
from dataengine.pipeline import Pipeline
from manifests.identity import seed_of
from manifests.progress import Progress
from trainer.bundled import place_of
from trainer.data.indexing import shards_in
from trainer.training.configuration import TrainConfig
from trainer.training.distributed import World
from trainer.training.log import StepReport
from trainer.training.loop import train
from trainer.training.on_ray import train_on_ray
from trainer.training.report import write_training_report


@dataclass(frozen=True)
class Steps:
    """The steps of a loop's last round, whichever that is."""

    config: LoopConfig
    directory: LoopDirectory
    address: str | None
    """Of a Ray cluster to label and train on."""

    @property
    def separators(self) -> Separators:
        """Of the loop."""
        return Separators(self.config, self.directory)

    def check(self) -> None:
        """See that all that the loop file names is there and fits. Raises UserError for the first that does not."""
        ProfileModels(self.separators.profile(INITIAL)).provenance(("separator",))
        pipeline, changes = self.config.label.pipeline, self._changes(self.config.label.profile)
        Pipeline.load(pipeline, changes)
        if self.config.calibrate:
            calibration_pipeline(self.config.calibrate, pipeline, changes)
        training = self._base_training()
        self._check_separators(training)
        for place in (place for places in training.data.shards.values() for place in places):
            shards_in(place)
        self._gate_questions()

    def label(self, state: LoopState) -> int:
        """Choose thresholds, if asked for, label the pool and pack; returns how many samples came of it."""
        from dataengine.runner import run  # the engine takes a second to import

        separator = state.rounds[-1].labelled_by
        number = state.round_with_labels_of(separator)
        changes = self._changes(str(self.separators.profile_file(number, separator)))
        if settings := self.config.calibrate:
            folder = self.directory.round(number)
            filters = calibrated_filters(settings, self.config.label.pipeline, changes, folder, self.address)
            changes.append(f"stages.filter.criteria={json.dumps(str(filters))}")
        pipeline = Pipeline.load(self.config.label.pipeline, changes)
        return run(pipeline, self._labels(state), address=self.address, round_number=number).packed

    def training(self, state: LoopState) -> TrainConfig:
        """What a round trains: the training file, with the round's labels in the mix."""
        last, base = state.rounds[-1], self._base_training()
        data = base.data
        shares = {**data.mixing.shares, "pseudo_labelled": self.config.train.pseudo_labelled_share}
        mixed = data.model_copy(
            update={
                "shards": {**data.shards, "pseudo_labelled": [str(self._labels(state))]},
                "mixing": replace(data.mixing, shares=shares),
            }
        )
        going_on = self.config.train.start == "promoted"
        promoted = self.separators.place(last.labelled_by) if going_on else None
        # Another seed: a round that goes on with the weights of the last one must not meet its samples again.
        seed = seed_of(base.seed, "round", str(last.number)) % 2**31
        return base.model_copy(
            update={"data": mixed, "start_from": promoted or base.start_from, "seed": seed}
        )

    def train(self, state: LoopState) -> None:
        """Train the round's separator."""
        config, out = self.training(state), self.directory.round(state.rounds[-1].number) / TRAIN_FOLDER
        workers = self.config.train.workers
        with Progress("Training", total=config.steps, unit="steps") as progress:

            def on_step(report: StepReport) -> None:
                progress.update(report.step + 1, f"loss {report.loss:.4f}")

            if workers:
                train_on_ray(config, out, workers, self.address, sys.stderr, on_step)
            else:
                train(config, out, World(), on_step)
        write_training_report(out)

    def evaluate(self, state: LoopState) -> Comparison:
        """Hold the round's separator against the promoted one, note what was found, and keep a few of the answers."""
        last, questions = state.rounds[-1], self._gate_questions()
        old, new = (self._contestant(number) for number in (last.labelled_by, last.number))
        found = compare(self.directory.path / ANSWERS_FOLDER, questions, old, new)
        for number, profile in ((last.labelled_by, old), (last.number, new)):
            write_examples(self.directory.storage, examples_of(questions), number, profile)
        content = json.dumps(found.to_dict(), indent=2).encode()
        self.directory.storage.replace(self.directory.name(last.number, EVALUATION_FILE), content)
        return found

    def _labels(self, state: LoopState) -> Path:
        """The run directory with the labels of the last round."""
        return self.directory.round(state.round_with_labels_of(state.rounds[-1].labelled_by)) / LABEL_FOLDER

    def _check_separators(self, training: TrainConfig) -> None:
        """See that rounds can go on from the first separator, and can label with what they train."""
        training.pinned()
        check_text_encoders(self.separators.profile(INITIAL), training)
        initial = self.separators.place(INITIAL)
        if initial is not None:
            check_first_separator(place_of(initial), training, self.config.train.start == "promoted")

    def _contestant(self, number: int) -> Profile:
        """A separator's profile, with the threads that training has: nothing else is at work beside it."""
        return self.separators.profile(number).model_copy(update={"threads": torch.get_num_threads()})

    def _gate_questions(self) -> list[Question]:
        return gate_questions(Path(self.config.evaluate.truth), self.config.evaluate.scenes)

    def _changes(self, profile: str) -> list[str]:
        """To the pipeline, with a profile."""
        label = self.config.label
        # A round that was killed must have the labels, to the byte, of one that was not.
        fixed = [f"input={json.dumps(label.input)}", f"profile={json.dumps(profile)}", "deterministic=true"]
        return [*label.set, *fixed]

    def _base_training(self) -> TrainConfig:
        training = TrainConfig.load(self.config.train.config, self.config.train.set)
        if "pseudo_labelled" in training.data.shards or training.data.mixing.shares.get("pseudo_labelled"):
            raise UserError(
                "the training file of a loop names no pseudo-labels; the loop adds each round's own, with the "
                "share train.pseudo_labelled_share",
                where=self.config.train.config,
            )
        return training
