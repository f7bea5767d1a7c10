"""Python interpreters of other environments: telling them from this one, and starting them.

An environment is named by its interpreter, which lies at the same path on every node. It has this package, and
libraries that do not go together with those of the environment in which the command runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

NOT_HANDED_ON = frozenset({"PYTHONPATH", "PYTHONHOME"})
"""Variables that would have another interpreter import what is installed for this one."""


def is_this(python: str) -> bool:
    """Whether `python` is the interpreter of this process; `python3` beside `python` is the same."""
    return _place(python) == _place(sys.executable)


def variables_for(python: str | None, variables: Mapping[str, str]) -> dict[str, str]:
    """Environment variables for a program of this package's: `variables`, and where modules are found.

    With `python` None, it runs in this process's interpreter and finds what this process finds; with another
    interpreter it finds only what is installed there.
    """
    if python is None:
        return {**variables, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    handed_on = {name: value for name, value in variables.items() if name not in NOT_HANDED_ON}
    return {**handed_on, "PYTHONSAFEPATH": "1"}  # nor in the folder where it is started


def _place(python: str) -> tuple[Path, Path]:
    """Folder and file: a virtual environment's interpreter is a link, so that the file alone tells none apart."""
    return Path(python).parent.resolve(), Path(python).resolve()
