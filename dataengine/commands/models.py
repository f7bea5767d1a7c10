"""`dataengine models`."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from dataengine.models.profile import Profile, ProfileModels


def models(name_or_path: str, as_json: bool) -> None:
    """Print the cards of a profile's models. Raises UserError if weights are missing."""
    profile = Profile.load(name_or_path)
    cards = ProfileModels(profile).provenance(tuple(profile.models))
    if as_json:
        print(json.dumps(cards, indent=2))
        return
    table = Table.grid(padding=(0, 2))
    for role, card in cards.items():
        table.add_row(role, f"{card['adapter']} {card['version']}, from {card['source']}")
        table.add_row(
            "", f"commercial use: {'yes' if card['commercial'] else 'no'}; {card['licence']}", style="dim"
        )
    Console().print(table)
