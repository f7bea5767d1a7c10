"""Cards of models that run in an environment of their own, which that environment's interpreter is asked for.

Versions of libraries are part of a card, and here they are other ones or missing. Asking also shows, before a run
starts anything, that workers can be started with the interpreter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import metadata

from dataengine.errors import UserError
from dataengine.interpreters import variables_for
from dataengine.models.roles import ModelCard

PROGRAM = "import dataengine.engine.worker_process; from dataengine.models.answer_card import main; main()"
"""It imports what a worker does, so that what is missing for a worker is found before one is started."""


@dataclass(frozen=True)
class Question:
    """What another interpreter is asked, on its standard input."""

    profile: str
    """A profile as JSON."""
    role: str
    python: str
    """The path by which the interpreter is started."""

    def to_json(self) -> str:
        """What `answer_card` reads."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Interpreter:
    """What must be the same in both environments, for work to pass between them."""

    python: str
    """Major and minor version: stages of files travel as bytecode."""
    dataengine: str

    @classmethod
    def here(cls) -> Interpreter:
        """This process's."""
        return cls(f"{sys.version_info.major}.{sys.version_info.minor}", metadata.version("dataengine"))

    def __str__(self) -> str:
        return f"Python {self.python} with dataengine {self.dataengine}"


def card_elsewhere(question: Question) -> ModelCard:
    """The card of a model as its own environment tells it.

    Raises:
        UserError: the interpreter cannot be started, cannot import this package or has another version of it or of
            Python, or the model's library or weights are missing there.
    """
    python = question.python
    try:
        asked = subprocess.run(
            [python, "-c", PROGRAM],
            input=question.to_json(),
            capture_output=True,
            text=True,
            env=variables_for(python, os.environ),
        )
    except OSError as error:
        raise UserError(f"{_of(question)} cannot be started: {error.strerror}") from error
    here = Interpreter.here()
    if asked.returncode:
        said = (asked.stderr.strip() or f"exit code {asked.returncode}").splitlines()[-1]
        raise UserError(
            f"{_of(question)} cannot import dataengine ({said}); install version {here.dataengine} in its environment"
        )
    told = json.loads(asked.stdout.splitlines()[-1])
    there = Interpreter(**told["interpreter"])
    if there != here:
        raise UserError(
            f"{_of(question)} is {there}; what starts the run is {here}, and both must be the same"
        )
    if told["mistake"]:
        raise UserError(f"{_of(question)}: {told['mistake']}")
    return ModelCard(**told["card"])


def _of(question: Question) -> str:
    return f"the interpreter of role {question.role!r} ({question.python})"
