"""The columns that flow through a pipeline: who writes them, who reads them, what ends up in the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa

from dataengine.engine.stage import Stage
from dataengine.errors import UserError
from dataengine.validation import suggestion
from manifests.schema import (
    LOCATION_FIELDS,
    MANIFEST_FIELDS,
    PROMPT_FIELDS,
    PROVENANCE_FIELDS,
    VERDICT_FIELDS,
    is_heavy,
    versioned,
)

STAGE_FIELDS = {field.name: field.type for field in (*PROMPT_FIELDS, *VERDICT_FIELDS)}
"""Columns of the samples table that stages fill."""

ENGINE_COLUMNS = frozenset(
    [
        *(field.name for field in (*MANIFEST_FIELDS, *LOCATION_FIELDS, *PROVENANCE_FIELDS)),
        *(
            "sample_id",
            "criteria_not_evaluated",
            "status",
            "last_stage",
            "stage",
            "error_type",
            "error",
            "traceback",
        ),
    ]
)
"""Columns that no stage may write."""


def columns_at_start(manifest: pa.Schema) -> dict[str, pa.DataType]:
    """Columns that the first stage finds: the manifest's, and the ones the engine gives every row."""
    given = {"sample_id": pa.string(), "kind": pa.string()}
    return {**{field.name: field.type for field in manifest}, **given}


def check_reads(
    stage: Stage, known: Mapping[str, pa.DataType], writers_of: Callable[[str], list[str]], where: str
) -> None:
    """Refuse a stage that reads a column which is not `known` at its place.

    `writers_of` tells which stages, in the pipeline or not, write a column.
    """
    for column in stage.columns_read():
        if column in known:
            continue
        what = f"stage {stage.name()!r} reads {column!r}"
        if writers := " or ".join(map(repr, writers_of(column))):
            raise UserError(f"{what}, which stage {writers} writes; list {writers} before it", where=where)
        raise UserError(f"{what}, which no stage writes{suggestion(column, known)}", where=where)


def check_fingerprints(column: str | None, known: Mapping[str, pa.DataType], where: str) -> None:
    """Refuse packing by fingerprints that nothing writes, or that are not 64-bit numbers."""
    if column is None:
        return
    if column not in known:
        raise UserError(
            f"packing reads {column!r}, which no stage writes{suggestion(column, known)}", where=where
        )
    if known[column] != pa.uint64():
        raise UserError(f"packing reads {column!r} as uint64, and it is {known[column]}", where=where)


def check_adds(
    stage: Stage, known: Mapping[str, pa.DataType], written_by: Mapping[str, str], where: str
) -> None:
    """Refuse a stage that writes what is not its to write, or a column under another type than it has."""
    for column, kind in stage.columns_added().items():
        what = f"stage {stage.name()!r} writes {column!r}"
        if column in ENGINE_COLUMNS:
            raise UserError(f"{what}, which belongs to the engine", where=where)
        if not isinstance(kind, pa.DataType):
            raise UserError(f"{what} without an Arrow type", where=where)
        due = STAGE_FIELDS.get(column, known.get(column, kind))
        if kind != due:
            raise UserError(f"{what} as {kind}, and it is {due} elsewhere", where=where)
        if column in known and column not in ("kind", *stage.columns_read()):
            earlier = f"stage {written_by[column]!r}" if column in written_by else "the manifest"
            raise UserError(f"{what}, which {earlier} has written and it does not read", where=where)


def sample_schema(stages: Iterable[Stage], manifest: pa.Schema) -> pa.Schema:
    """The samples table: manifest, prompt, scores, verdict, location, provenance; each name once."""
    added = [
        pa.field(name, kind)
        for stage in stages
        for name, kind in stage.columns_added().items()
        if not is_heavy(kind) and name not in STAGE_FIELDS
    ]
    fields: dict[str, pa.Field] = {}
    for field in (*manifest, *PROMPT_FIELDS, *added, *VERDICT_FIELDS, *LOCATION_FIELDS, *PROVENANCE_FIELDS):
        fields.setdefault(field.name, field)
    return versioned(list(fields.values()))


def check_manifest(manifest: pa.Schema, where: str) -> None:
    """Refuse a table that lacks the manifest's columns, or has columns that a run would overwrite."""
    for field in MANIFEST_FIELDS:
        if field.name not in manifest.names:
            message = f"this is no manifest: it lacks {field.name!r}; make one with `dataengine index`"
            raise UserError(message, where=where)
        found = manifest.field(field.name).type
        if found != field.type:
            raise UserError(f"the manifest's column {field.name!r} is {found}, not {field.type}", where=where)
    own = {field.name for field in MANIFEST_FIELDS}
    for name in manifest.names:
        taken = STAGE_FIELDS.get(name)
        if name in ENGINE_COLUMNS - own or (taken is not None and manifest.field(name).type != taken):
            raise UserError(f"the manifest's column {name!r} has a name that the engine uses", where=where)
