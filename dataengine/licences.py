"""Who may use what a pipeline makes: the licences of the models that it loads."""

from __future__ import annotations

from dataengine.errors import UserError
from dataengine.pipeline import Pipeline


def refuse_non_commercial(pipeline: Pipeline) -> None:
    """Raise UserError if a model that the pipeline loads may not be used commercially, or does not say."""
    cards = pipeline.models_provenance()
    refused = [
        f"{card['adapter']} ({role}: {card['licence']})"
        for role, card in cards.items()
        if not card["commercial"]
    ]
    if refused:
        raise UserError(
            f"--commercial-only: profile {pipeline.profile.name!r} has models whose licence does not allow commercial "
            f"use, or that state none: {'; '.join(refused)}"
        )
