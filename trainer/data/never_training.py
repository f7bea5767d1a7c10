"""What must never train is refused in shards, too: they may have been made by hand, or before a list was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dataengine.errors import UserError
from manifests.never_train import read_never_train
from trainer.data.pools import Item


def refuse_never_train(items: Iterable[Item], lists: Sequence[str]) -> None:
    """Raise UserError for the first sample of a recording that one of the lists names, or that names no recording.

    Args:
        items: what is to be trained on.
        lists: paths or URLs of lists as `dataengine index --never-train` reads them; none: nothing is refused.
    """
    if not lists:
        return
    listed = {each: source for source in lists for each in read_never_train(source).recording_ids}
    for item in items:
        where = f"{item.shard}:{item.key}.json"
        if item.recording_id is None:
            raise UserError(
                "the sample does not say which recording it is from (`recording_id`), so nobody can tell whether that "
                "may train; leave the shard out, or make it with `dataengine run`",
                where=where,
            )
        if item.recording_id in listed:
            raise UserError(
                f"recording {item.recording_id} must never train, says {listed[item.recording_id]}; leave the shard "
                "out, or make it anew from a manifest that was indexed with --never-train",
                where=where,
            )
