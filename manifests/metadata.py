"""The user's own facts about recordings: a table joined to the manifest by URI or file name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from dataengine.errors import UserError
from manifests.given_tables import beside, read_given_table
from manifests.schema import (
    LOCATION_FIELDS,
    MANIFEST_FIELDS,
    PROMPT_FIELDS,
    PROVENANCE_FIELDS,
    VERDICT_FIELDS,
)

KEYS = ("uri", "file_name")
LICENCES = ("licence", "license")

_GIVEN = {field.name for field in PROMPT_FIELDS} - {"sample_id", "kind"}
TAKEN_NAMES = {
    field.name
    for field in (*MANIFEST_FIELDS, *PROMPT_FIELDS, *VERDICT_FIELDS, *LOCATION_FIELDS, *PROVENANCE_FIELDS)
} - _GIVEN
"""Names that metadata may not have; prompts (`text`, `spans` …) may be given with the recordings."""


@dataclass(frozen=True)
class Metadata:
    """A metadata table: for each row the key it is joined by, its licence and its other columns."""

    keys: list[str]
    """An absolute URI, or a file name without folder."""
    licences: pa.Array
    columns: pa.Table


def read_metadata(uri: str) -> Metadata:
    """Read a metadata table, CSV or Parquet.

    It is keyed by a column `uri` (absolute, or relative to the table's folder) or `file_name` (a bare name,
    or a path relative to the table's folder). A column `licence` (or `license`) fills the manifest's; the others follow
    under their own names. Raises UserError for a table without a key, with a key twice, or with a column whose
    name the manifest needs.
    """
    table = read_given_table(uri, (*KEYS, *LICENCES))
    key = next((name for name in KEYS if name in table.column_names), None)
    if key is None:
        raise UserError(f"a metadata table needs a column {' or '.join(map(repr, KEYS))}", where=uri)
    licence = next((name for name in LICENCES if name in table.column_names), None)
    columns = table.drop_columns([name for name in (key, licence) if name])
    taken = sorted(TAKEN_NAMES.intersection(columns.column_names))
    if taken:
        raise UserError(f"the manifest needs the name {taken[0]!r} itself; rename the column", where=uri)
    licences = table.column(licence).combine_chunks() if licence else pa.nulls(table.num_rows, pa.string())
    return Metadata(_keys(table.column(key).to_pylist(), uri, key), licences, columns)


def _keys(entries: list[str | None], uri: str, column: str) -> list[str]:
    keys = []
    for row, entry in enumerate(entries, start=1):
        if not entry:
            raise UserError(f"row {row} of the metadata has no {column}", where=uri)
        keys.append(entry if column == "file_name" and "/" not in entry else beside(uri, entry))
    repeated = next((key for key, count in Counter(keys).items() if count > 1), None)
    if repeated:
        raise UserError(f"{repeated} stands in the metadata more than once", where=uri)
    return keys
