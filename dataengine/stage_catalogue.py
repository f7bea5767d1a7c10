"""Where stages come from: built in, installed by other packages, or named by the user.

A pipeline file can only name stages; it never says what code to load. Code comes from three places, all
chosen by the user: this package, packages that declare the entry point group `dataengine.stages`, and
files or modules given with `--stages`.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

from dataengine.engine.stage import Stage
from dataengine.errors import UserError
from dataengine.validation import suggestion
from manifests.identity import stable_hash
from stages import BUILT_IN

ENTRY_POINT_GROUP = "dataengine.stages"
_FILE_MODULE = "_dataengine_stages_from_file_"


class StageCatalogue:
    """The stages a pipeline may name. A stage's module is imported when the stage is asked for."""

    def __init__(self, sources: Sequence[str] = ()) -> None:
        """`sources` are Python files (`my_stage.py`) or modules (`my_package.my_stages`).

        Raises UserError for a source that cannot be imported, has no stage, or names one that exists.
        """
        self._installed: Mapping[str, EntryPoint] = {e.name: e for e in entry_points(group=ENTRY_POINT_GROUP)}
        self._named: dict[str, type[Stage]] = {}
        for source in sources:
            for stage in stages_in(source):
                if stage.name() in self.names():
                    raise UserError(f"stage {stage.name()!r} exists already; rename the class", where=source)
                self._named[stage.name()] = stage

    def names(self) -> list[str]:
        """Every stage there is."""
        return sorted({*BUILT_IN, *self._installed, *self._named})

    def find(self, name: str, *, where: str | None = None) -> type[Stage]:
        """The class of a stage. Raises UserError, at `where`, if there is none or it cannot be imported."""
        if name in self._named:
            return self._named[name]
        if name in BUILT_IN:
            module, _, attribute = BUILT_IN[name].partition(":")
            return _as_stage(getattr(import_module(module), attribute), name, where)
        if name in self._installed:
            entry = self._installed[name]
            try:
                return _as_stage(entry.load(), name, where)
            except (ImportError, AttributeError) as error:
                raise UserError(
                    f"stage {name!r} ({entry.value}) cannot be imported: {error}", where=where
                ) from error
        hint = suggestion(name, self.names())
        raise UserError(f"unknown stage {name!r}{hint}", where=where)

    def writers_of(self, column: str) -> list[str]:
        """Names of the stages that are known to write a column."""
        classes = ((name, self.find(name)) for name in (*self._named, *BUILT_IN))
        return sorted(name for name, stage in classes if column in stage.adds)


def stages_in(source: str) -> list[type[Stage]]:
    """The stages that a Python file or an importable module defines, in order of definition.

    Raises UserError if it cannot be imported or defines none.
    """
    module = _import_file(Path(source)) if source.endswith(".py") else _import_module(source)
    found = list(_defined_in(module))
    if not found:
        raise UserError("defines no stage: no class derives from dataengine.Stage", where=source)
    return found


def send_file_stages_by_value() -> None:
    """Have stages that come from files travel to Ray's workers as code, for the workers lack the files.

    Call it before anything that holds such a stage is pickled.
    """
    from cloudpickle import register_pickle_by_value

    for name, module in list(sys.modules.items()):
        if name.startswith(_FILE_MODULE):
            register_pickle_by_value(module)


def _defined_in(module: ModuleType) -> Iterator[type[Stage]]:
    for value in vars(module).values():
        if not (isinstance(value, type) and issubclass(value, Stage)) or inspect.isabstract(value):
            continue
        home = value.__module__
        if home == module.__name__ or home.startswith(f"{module.__name__}."):
            yield value


def _import_module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        message = f"{error}; install it, put it on PYTHONPATH, or give the path of its .py file"
        raise UserError(message, where=name) from error


def _import_file(path: Path) -> ModuleType:
    """Import a file under a name that nothing else has; the same content is imported once."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from error
    name = f"{_FILE_MODULE}{path.stem}_{stable_hash(str(path.resolve()), content.hex())}"
    if name in sys.modules:
        return sys.modules[name]
    module = module_from_spec(ModuleSpec(name, None, origin=str(path)))
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        exec(compile(content, str(path), "exec"), vars(module))  # noqa: S102 - the user asked for this file
    except Exception as error:
        del sys.modules[name]
        raise UserError(_said(error), where=_line_of(error, path)) from error
    return module


def _said(error: Exception) -> str:
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(f"{type(error).__name__}: {message}".split())


def _line_of(error: BaseException, path: Path) -> str:
    """`file:line` of the last line of `path` that the error passed through."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), None)
    return f"{path}:{line}" if line else str(path)


def _as_stage(found: object, name: str, where: str | None) -> type[Stage]:
    if not (isinstance(found, type) and issubclass(found, Stage)):
        raise UserError(
            f"{name!r} is registered as a stage and is no subclass of dataengine.Stage", where=where
        )
    return found
