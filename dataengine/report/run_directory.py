"""Reading a run directory, finished or not, without ever holding a whole table in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.engine.finish import SAMPLES_FOLDER, WORK_FILE
from dataengine.engine.footers import read_footers
from dataengine.engine.parts import PARTS_FOLDER
from dataengine.engine.plan import plan_schema
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.runner import PIPELINE_FILE, RUN_FILE
from dataengine.yaml_source import parse_located
from stages.criteria import Criterion, FilterFile

QUERY_MEMORY = "2GB"
"""What queries may hold before they spill to disk."""

DRIVERS_FOLDER = "log/drivers"

CANDIDATE = "(status = 'done' AND kind <> 'unit')"
"""SQL condition: the row is a candidate that was judged, not a unit without candidates or a failure."""


@dataclass(frozen=True)
class Driver:
    """One start of the run."""

    started: float
    """Unix time."""
    seconds: float
    """Until it ended or was stopped."""
    workers: int


@dataclass(frozen=True)
class RunDirectory:
    """A run, for reading."""

    storage: Storage

    @classmethod
    def at(cls, place: str | Path) -> RunDirectory:
        """The run at a path or URL. Raises UserError if there is none."""
        storage = Storage.at(place)
        if not storage.exists(RUN_FILE):
            raise UserError(f"not a run directory: it has no {RUN_FILE}", where=str(place))
        return cls(storage)

    @property
    def name(self) -> str:
        """Last part of its path."""
        return self.storage.root.rstrip("/").rpartition("/")[2]

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What `run.json` says."""
        facts: dict[str, Any] = json.loads(self.storage.read(RUN_FILE))
        return facts

    @cached_property
    def pipeline_text(self) -> str:
        """The pipeline as resolved, YAML."""
        return self.storage.read(PIPELINE_FILE).decode()

    @cached_property
    def stage_names(self) -> tuple[str, ...]:
        """The stages of the pipeline, in order."""
        stages = parse_located(self.pipeline_text, self.storage.path(PIPELINE_FILE)).data["stages"]
        return tuple(each if isinstance(each, str) else next(iter(each)) for each in stages)

    @cached_property
    def criteria(self) -> tuple[Criterion, ...]:
        """The criteria that decided, as they were when the run was planned."""
        stages = {each["stage"]: each["parameters"] for each in self.facts["pipeline"]["stages"]}
        return FilterFile.model_validate(stages["filter"]).criteria if "filter" in stages else ()

    @cached_property
    def drivers(self) -> tuple[Driver, ...]:
        """The starts of the run that left a log; one that was killed did not."""
        logs = [json.loads(self.storage.read(name)) for name in self.storage.files(DRIVERS_FOLDER, ".json")]
        return tuple(Driver(each["started"], each["seconds"], each.get("workers", 1)) for each in logs)

    @property
    def is_finished(self) -> bool:
        """Whether samples and shards have been made from the parts."""
        return bool(self._sample_files) and self.storage.exists(WORK_FILE)

    @cached_property
    def columns(self) -> dict[str, pa.DataType]:
        """Columns of the samples table, with their types. Raises UserError if nothing is done yet."""
        with self.storage.open(self._table_files[0]) as file:
            schema = pq.read_schema(file)
        return dict(zip(schema.names, schema.types, strict=True))

    @cached_property
    def manifest_columns(self) -> frozenset[str]:
        """Columns that came with the manifest, the user's own among them."""
        return frozenset(plan_schema(self.storage).names)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows that a query gives; `samples` is the table of samples, `work` that of the work done.

        Before the run is finished `samples` holds the rows of the parts committed so far.
        """
        return self._connection.execute(sql, list(parameters)).fetchall()

    def rows(self, condition: str, parameters: Sequence[Any] = (), limit: int = 1000) -> list[dict[str, Any]]:
        """Samples that satisfy a condition, whole, by column name; at most `limit`."""
        found = self._connection.execute(
            f"SELECT * FROM samples WHERE {condition} LIMIT {limit:d}",  # noqa: S608
            list(parameters),
        )
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    @cached_property
    def _spill(self) -> TemporaryDirectory[str]:
        """Where queries spill to; gone with this object."""
        return TemporaryDirectory(prefix="dataengine-")

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.execute(f"SET memory_limit = '{QUERY_MEMORY}'")
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"SET temp_directory = '{self._spill.name.replace(chr(39), chr(39) * 2)}'")
        if not self.storage.is_local:
            connection.register_filesystem(self.storage.filesystem)
        connection.read_parquet(
            [self._full_name(name) for name in self._table_files], union_by_name=True
        ).create_view("samples")
        if self.is_finished:
            connection.read_parquet(self._full_name(WORK_FILE)).create_view("work")
        else:
            work = [asdict(each) for footer in read_footers(self.storage) for each in footer.work]
            connection.register("work", pa.Table.from_pylist(work))
        return connection

    def _full_name(self, name: str) -> str:
        """A file's name as DuckDB opens it."""
        return f"{self.storage.root}/{name}"

    @cached_property
    def _sample_files(self) -> list[str]:
        return list(self.storage.files(SAMPLES_FOLDER, suffix=".parquet"))

    @cached_property
    def _table_files(self) -> list[str]:
        files = self._sample_files or list(self.storage.files(PARTS_FOLDER, suffix=".parquet"))
        if not files:
            raise UserError("no slice of this run is done yet; look again later", where=self.storage.root)
        return files


def quoted(column: str) -> str:
    """A column's name as SQL spells it, whatever characters it has."""
    return '"' + column.replace('"', '""') + '"'
