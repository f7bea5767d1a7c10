"""Profiles: which model fills which role, on what device, at what sample rate.

name: embedded
sample_rate: 16000
filters: filters/embedded.yaml
models:
  tagger: {adapter: yamnet}
  text_encoder: {adapter: minilm}
  text_audio_scorer: {adapter: label_bridge, temperature: 0.05}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

import conf
from dataengine.errors import UserError
from dataengine.interpreters import is_this
from dataengine.models.adapter import Adapter, Runtime
from dataengine.models.elsewhere import Question, card_elsewhere
from dataengine.models.registry import find_adapter
from dataengine.models.roles import FILLED_AS, ROLES, ModelCard
from dataengine.models.timing import Timed, seconds_in_models
from dataengine.models.weights import MissingWeightsError, fetch_command
from dataengine.validation import suggestion, validated
from dataengine.yaml_source import Located, load_located

OF_THE_ENTRY = frozenset({"adapter", "python"})
"""Keys of a model's entry that are no options of its adapter."""


class Profile(BaseModel):
    """A profile file, checked: every role, adapter and option it names exists."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    sample_rate: int = Field(ge=8_000, le=192_000)
    """Hz; the rate of every waveform between stages."""
    device: str = Field(default="cpu", pattern=r"^(cpu|cuda)$")
    """Where the models run. Which GPU it is, Ray decides, or CUDA_VISIBLE_DEVICES."""
    threads: int = Field(default=1, ge=1)
    """Threads of each model; parallel work comes from more workers."""
    filters: str | None = None
    """The filter file calibrated for these models; relative to the profile file, or to `conf/`."""
    models: dict[str, dict[str, Any]]
    """Role → `adapter`, the adapter's options, and `python` for a model with an environment of its own."""

    @classmethod
    def load(cls, name_or_path: str) -> Profile:
        """Load a profile of `conf/profiles/` by name, or a profile file by path.

        Raises UserError, with file and line, for the first thing that is wrong.
        """
        path = _locate(name_or_path)
        written = load_located(path)
        profile = validated(cls, written, "the profile")
        for role in profile.models:
            _check_entry(profile, role, written)
        return profile.model_copy(update={"filters": _filter_file(profile.filters, path)})

    def adapter(self, role: str) -> Adapter:
        """The adapter of a role. Raises UserError if the profile has no model for it."""
        if role not in self.models:
            raise UserError(f"profile {self.name!r} has no model for the role {role!r}")
        entry = self.models[role]
        options = {key: value for key, value in entry.items() if key not in OF_THE_ENTRY}
        return find_adapter(entry["adapter"]).model_validate(options)

    def python(self, role: str) -> str | None:
        """The interpreter of the environment in which the model of `role` runs; None: that of the command."""
        return self.models[role].get("python") if role in self.models else None


@dataclass(frozen=True)
class ProfileModels:
    """The models of a profile, loaded when asked for and once a process.

    It holds names and options only, so it may travel to workers.
    """

    profile: Profile

    def load(self, role: str) -> Any:
        """The model that fills `role`.

        Raises UserError if there is none, its weights are missing, or it runs in another environment than this.
        """
        python = self.profile.python(role)
        if python is not None and not is_this(python):
            raise UserError(
                f"the model for the role {role!r} of profile {self.profile.name!r} runs in the environment of "
                f"{python}, which only the workers of `dataengine run` are started in"
            )
        return Timed(_model(self._key, role))

    def adapter(self, role: str) -> Adapter:
        """The adapter of a role. Raises UserError if the profile has no model for it."""
        return self.profile.adapter(role)

    def provenance(self, roles: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """The fields of ModelCard and the `options`, for each role and the roles its model is built from.

        Reads the weight files but builds no network. Asks the interpreters of other environments.
        Raises UserError if weights are missing, or such an interpreter does not serve.
        """
        found: dict[str, dict[str, Any]] = {}
        for role in roles:
            adapter = self.profile.adapter(role)
            found |= self.provenance(adapter.built_from())
            found[role] = {**asdict(_card(self._key, role)), "options": adapter.options()}
        return found

    def seconds(self) -> float:
        """Wall seconds spent inside models in this process so far."""
        return seconds_in_models()

    @property
    def _key(self) -> str:
        return self.profile.model_dump_json()


@cache
def _model(profile_json: str, role: str) -> Any:
    profile = Profile.model_validate_json(profile_json)
    adapter = profile.adapter(role)
    parts = {part: _model(profile_json, part) for part in adapter.built_from()}
    return adapter.load(card_made_here(profile_json, role), Runtime(profile.device, profile.threads), parts)


@cache
def _card(profile_json: str, role: str) -> ModelCard:
    python = Profile.model_validate_json(profile_json).python(role)
    if python is None or is_this(python):
        return card_made_here(profile_json, role)
    return card_elsewhere(Question(profile_json, role, python))


@cache
def card_made_here(profile_json: str, role: str) -> ModelCard:
    """The card of a model by the libraries of this environment. Raises UserError as `provenance` does."""
    profile = Profile.model_validate_json(profile_json)
    adapter = profile.adapter(role)
    parts = {part: card_made_here(profile_json, part) for part in adapter.built_from()}
    try:
        return replace(adapter.card(profile.models[role]["adapter"], parts), role=role)
    except MissingWeightsError as error:
        raise UserError(f"{error}; run: {fetch_command(profile.name)}") from error


def forget_models() -> None:
    """Let go of every model that this process has loaded, and of its card; the next `load` loads it anew."""
    _model.cache_clear()
    _card.cache_clear()
    card_made_here.cache_clear()


def profile_names() -> list[str]:
    """Profiles that `conf/profiles/` holds."""
    return sorted(path.stem for path in (_conf() / "profiles").glob("*.yaml"))


def _locate(name_or_path: str) -> Path:
    if name_or_path.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    if name_or_path not in profile_names():
        raise UserError(
            f"unknown profile {name_or_path!r}{suggestion(name_or_path, profile_names())} "
            "(a profile file of your own is given by its path, ending in .yaml)"
        )
    return _conf() / "profiles" / f"{name_or_path}.yaml"


def _conf() -> Path:
    return Path(str(resources.files(conf)))


def _filter_file(filters: str | None, profile: Path) -> str | None:
    if filters is None:
        return None
    beside = profile.parent / filters
    return str(beside if beside.is_file() else _conf() / filters)


def _check_entry(profile: Profile, role: str, written: Located) -> None:
    where = written.where("models", role)
    if role not in ROLES:
        raise UserError(f"unknown role {role!r}{suggestion(role, ROLES)}", where=where)
    adapter = _check_options(role, written.section("models", role))
    _check_python(profile.python(role), role, written)
    if adapter.role != FILLED_AS.get(role, role):
        name = profile.models[role]["adapter"]
        raise UserError(f"adapter {name!r} fills the role {adapter.role!r}, not {role!r}", where=where)
    for part in adapter.built_from():
        if part not in profile.models:
            name = profile.models[role]["adapter"]
            raise UserError(
                f"adapter {name!r} is built from a {part}, and the profile has no model for that role",
                where=where,
            )
        if profile.python(part) != profile.python(role):
            raise UserError(
                f"the {role} is built from the {part}: both must have the same python", where=where
            )


def _check_python(python: object, role: str, written: Located) -> None:
    if python is not None and not (isinstance(python, str) and Path(python).is_absolute()):
        raise UserError(
            f"python of the {role} must be the path of an interpreter from the root, the same on every node, "
            f"not {python!r}",
            where=written.where("models", role, "python"),
        )


def _check_options(role: str, entry: Located) -> Adapter:
    options: Mapping[str, Any] = entry.data
    name = options.get("adapter")
    if not isinstance(name, str):
        raise UserError(f"the model for the role {role!r} lacks the key 'adapter'", where=entry.where())
    kind = find_adapter(name, where=entry.where("adapter"))
    given = {key: value for key, value in options.items() if key not in OF_THE_ENTRY}
    return validated(kind, Located(given, entry.places), f"adapter {name!r}")
