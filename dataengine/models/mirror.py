"""Bringing the weights of a profile from the Hugging Face hub to this machine, the only thing that downloads any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dataengine.errors import UserError
from dataengine.models.profile import Profile
from dataengine.models.weights import HubRepository, Weights, chosen_files


@dataclass(frozen=True)
class Fetched:
    """Weights that are on this machine now."""

    reference: str
    place: Path
    files: int


def weights_of(profile: Profile) -> list[Weights]:
    """What a profile's models need from the hub."""
    adapters = [profile.adapter(role) for role in profile.models]
    sets = [each for adapter in adapters for each in adapter.weight_sets() if each.repository is not None]
    return list({each.reference: each for each in sets}.values())


def fetch(weights: list[Weights], mirror: Path | None) -> Iterator[Fetched]:
    """Download what is not there yet, into a mirror or into the hub's own cache.

    Raises UserError if the hub cannot be reached, refuses, or does not have a file that is needed.
    """
    for each in weights:
        repository = each.repository
        assert repository is not None
        yield _fetch(each, repository, mirror)


def _fetch(weights: Weights, repository: HubRepository, mirror: Path | None) -> Fetched:
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        if repository.file is not None:
            files = [repository.file]
        else:
            there = api.list_repo_files(repository.name, revision=repository.revision)
            files = chosen_files(there, weights.wanted, weights.reference)
        folder = api.snapshot_download(
            repository.name,
            revision=repository.revision,
            allow_patterns=files,
            local_dir=mirror / repository.folder_name if mirror else None,
        )
    except UserError:
        raise
    except Exception as error:  # versions of the client raise what their HTTP library raises
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{weights.reference} cannot be fetched: {reason}") from error
    return Fetched(weights.reference, Path(folder) / (repository.file or ""), len(files))
