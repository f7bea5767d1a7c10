"""Tables and lists that the user gives: CSV, Parquet, or text with one entry a line."""

from __future__ import annotations

import os
from typing import Any

import pyarrow as pa

from dataengine.errors import UserError
from manifests.media.source import is_local, local_path

LIST_SUFFIXES = (".txt", ".csv", ".parquet")


def read_given_table(uri: str, text_columns: tuple[str, ...] = ()) -> pa.Table:
    """A CSV or Parquet table; the named columns, where they exist, as text whatever they look like.

    An empty CSV field is null. Raises UserError if it cannot be read.
    """
    import fsspec

    try:
        with fsspec.open(uri, "rb") as file:
            table = _parquet(file) if uri.lower().endswith(".parquet") else _csv(file, text_columns)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"cannot read the table: {' '.join(str(error).split())}", where=uri) from error
    for name in text_columns:
        if name in table.column_names:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, table.column(name).cast(pa.string()))
    return table


def read_entries(uri: str, column: str) -> list[str]:
    """One column of a table, or the lines of a .txt file (`#` begins a comment), without the empty ones.

    Raises UserError if there is no such file or column.
    """
    if uri.lower().endswith(".txt"):
        return _lines(uri)
    table = read_given_table(uri, (column,))
    if column not in table.column_names:
        raise UserError(
            f"the table has no column {column!r}; it has {', '.join(table.column_names)}", where=uri
        )
    return [entry for entry in table.column(column).to_pylist() if entry]


def read_list(uri: str) -> list[str]:
    """The URIs in a list (column `uri`, or lines); relative ones are taken from the list's own folder."""
    return [beside(uri, entry) for entry in read_entries(uri, "uri")]


def beside(table: str, uri: str) -> str:
    """A URI that stands in a table, absolute: a relative one is taken from the table's folder."""
    if not is_local(uri):
        return uri
    if is_local(table):
        return os.path.abspath(os.path.join(os.path.dirname(local_path(table)), local_path(uri)))
    return uri if uri.startswith("/") else f"{table.rpartition('/')[0]}/{uri.removeprefix('./')}"


def _lines(uri: str) -> list[str]:
    import fsspec

    try:
        with fsspec.open(uri, "rt", encoding="utf-8") as file:
            stripped = (line.strip() for line in file)
            return [line for line in stripped if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the list: {error}", where=uri) from error


def _parquet(file: Any) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(file)


def _csv(file: Any, text_columns: tuple[str, ...]) -> pa.Table:
    from pyarrow import csv

    options = csv.ConvertOptions(
        column_types=dict.fromkeys(text_columns, pa.string()), null_values=[""], strings_can_be_null=True
    )
    return csv.read_csv(file, convert_options=options)
