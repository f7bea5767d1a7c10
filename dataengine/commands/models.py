"""`dataengine models list` and `dataengine models fetch`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dataengine.errors import UserError
from dataengine.models.mirror import fetch, weights_of
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.registry import adapter_names, find_adapter
from dataengine.models.roles import ROLES
from dataengine.models.weights import MIRROR_VARIABLE


@dataclass(frozen=True)
class ListedModel:
    """A model of a profile: its card, or why it cannot be loaded here."""

    role: str
    adapter: str
    version: str | None = None
    digest: str | None = None
    licence: str | None = None
    commercial: bool | None = None
    source: str | None = None
    places: tuple[str, ...] = ()
    """Where on this machine the weights lie, if not in a package."""
    missing: str | None = None
    """What is not here, and the command that brings it."""


@dataclass(frozen=True)
class OtherAdapter:
    """An adapter that a profile might name for a role."""

    role: str
    adapter: str
    libraries: dict[str, str | None]
    """What it needs beside the base installation, and the version that is installed."""
    missing: str | None
    """What installs the libraries that are not, or why the adapter itself cannot be used."""


def list_models(name_or_path: str, as_json: bool) -> None:
    """Print a profile's models, and the other adapters there are. Raises UserError for a profile that is wrong."""
    profile = Profile.load(name_or_path)
    models = [_listed(profile, role) for role in sorted(profile.models, key=ROLES.index)]
    others = _others({each.adapter for each in models})
    if as_json:
        told = {"profile": profile.name, "models": [*map(asdict, models)], "others": [*map(asdict, others)]}
        print(json.dumps(told, indent=2))
        return
    console = Console()
    console.print(_table_of_models(models))
    console.print(Text(f"\nnot in profile {profile.name!r}:"))
    console.print(_table_of_others(others))


def fetch_models(name_or_path: str, to: Path | None, as_json: bool) -> None:
    """Download a profile's weights and say where they are. Raises UserError."""
    weights = weights_of(Profile.load(name_or_path))
    console = Console(stderr=True)
    fetched = []
    for each in fetch(weights, to.absolute() if to else None):
        fetched.append({"weights": each.reference, "place": str(each.place), "files": each.files})
        console.print(f"{each.reference} → {each.place}")
    if as_json:
        print(json.dumps(fetched, indent=2))
    elif not fetched:
        print("nothing to fetch: no model of this profile has its weights on the hub")
    elif to:
        print(f"to use them: export {MIRROR_VARIABLE}={to.absolute()}")


def _listed(profile: Profile, role: str) -> ListedModel:
    adapter = profile.models[role]["adapter"]
    try:
        card = ProfileModels(profile).provenance((role,))[role]
        places = tuple(map(str, profile.adapter(role).places()))
    except UserError as error:
        return ListedModel(role, adapter, missing=str(error))
    facts = {key: card[key] for key in ("version", "digest", "licence", "commercial", "source")}
    return ListedModel(role, adapter, places=places, **facts)


def _others(used: set[str]) -> list[OtherAdapter]:
    found = [_other(name) for name in adapter_names() if name not in used]
    return sorted(found, key=lambda each: ((*ROLES, "").index(each.role), each.adapter))


def _other(name: str) -> OtherAdapter:
    try:
        adapter = find_adapter(name)
    except UserError as error:  # an installed package that is broken hides no other
        return OtherAdapter("", name, {}, str(error))
    libraries = {each.distribution: each.installed() for each in adapter.libraries}
    missing = next((each.command for each in adapter.libraries if each.installed() is None), None)
    return OtherAdapter(adapter.role, name, libraries, missing)


def _table_of_models(models: list[ListedModel]) -> Table:
    table = _table(columns=2)
    for each in models:
        if each.missing:
            table.add_row(each.role, Text(f"{each.adapter}: {each.missing}", "red"))
            continue
        table.add_row(each.role, Text(f"{each.adapter} {each.version}, from {each.source}"))
        allowed = ("commercial use: yes", "") if each.commercial else ("commercial use: no", "yellow")
        table.add_row("", Text.assemble(allowed, f"; {each.licence}"), style="dim")
        for place in each.places:
            table.add_row("", Text(place), style="dim")
    return table


def _table_of_others(others: list[OtherAdapter]) -> Table:
    table = _table(columns=3)
    for each in others:
        installed = ", ".join(f"{name} {version}" for name, version in each.libraries.items() if version)
        table.add_row(each.role, each.adapter, Text(each.missing or installed or "installed"), style="dim")
    return table


def _table(columns: int) -> Table:
    """The last column holds commands and paths: of those nothing is left out where they do not fit."""
    table = Table.grid(padding=(0, 2))
    for _ in range(columns - 1):
        table.add_column()
    table.add_column(overflow="fold")
    return table
