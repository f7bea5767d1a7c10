"""Demucs' networks from files, without running what the files name.

The package has two kinds of file. In both a network's class stands beside its weights, and the package would call
whatever a file names; here only its own networks are built. A table (`htdemucs_ft.yaml`) says which networks answer
together, and how much each counts for each stem.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dataengine.errors import UserError
from dataengine.models.stem_prompts import VOCALS
from dataengine.models.torch_checkpoint import read_checkpoint
from dataengine.validation import validated
from dataengine.yaml_source import load_located


class _Table(BaseModel):
    """Networks that answer together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[str, ...] = Field(min_length=1)
    """Names of their files."""
    weights: tuple[tuple[float, ...], ...] | None = None
    """[networks, stems]; by default all count the same."""
    segment: float | None = Field(default=None, gt=0)
    """Seconds that are heard at once, if other than the network says."""


def read_networks(paths: Sequence[Path], source: str) -> Any:
    """The package's `BagOfModels`, of the networks that a table among the paths names, or of the only one.

    Raises UserError for files that hold anything else.
    """
    from demucs.apply import BagOfModels

    table = next((_read_table(path) for path in paths if path.suffix == ".yaml"), None)
    if table is None:
        return _with_vocals(BagOfModels([_read_network(paths[0], source)]), source)
    files = {path.stem: path for path in paths if path.suffix != ".yaml"}
    lacking = [name for name in table.models if name not in files]
    if lacking:
        raise UserError(f"{source} lacks the file {lacking[0]}.safetensors")
    networks = [_read_network(files[name], source) for name in table.models]
    try:
        together = BagOfModels(networks, table.weights, table.segment)
    except AssertionError as error:
        raise UserError(f"{source}: its table and its networks do not belong together") from error
    return _with_vocals(together, source)


def _with_vocals(networks: Any, source: str) -> Any:
    if VOCALS not in networks.sources:
        raise UserError(f"{source} has the stems {', '.join(networks.sources)}, and no {VOCALS} among them")
    return networks.eval()


def _read_table(path: Path) -> _Table:
    return validated(_Table, load_located(path), "the table of networks")


def _read_network(path: Path, source: str) -> Any:
    from demucs.hf import load_safetensors_model
    from demucs.states import load_model
    from safetensors import SafetensorError

    try:
        if path.suffix == ".safetensors":
            _check_safetensors(path)
            return load_safetensors_model(path)
        package = read_checkpoint(path, source, (*_networks(), Fraction))
        _check(package["klass"] in _networks() and "__quantized" not in package["state"])
        return load_model(package)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{source}: {path.name} cannot be loaded as a network of Demucs: {reason}") from error


def _check_safetensors(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        says = file.metadata() or {}
        quantised = "structure" in says or "__quantized" in file.keys()  # noqa: SIM118 - it is no mapping
    names = [f"{each.__module__}.{each.__qualname__}" for each in _networks()]
    _check(says.get("klass") in names and not quantised)


def _check(is_one: bool) -> None:
    if not is_one:
        raise ValueError("it names another class, or its weights are quantised")


def _networks() -> tuple[type, ...]:
    from demucs.demucs import Demucs
    from demucs.hdemucs import HDemucs
    from demucs.htdemucs import HTDemucs

    return HTDemucs, HDemucs, Demucs
