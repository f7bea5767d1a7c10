"""Reading a run directory, finished or not, without ever holding a whole table in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.driver_log import DriverTime, driver_times
from dataengine.engine.database import view_tables
from dataengine.engine.finish import FINISH_FILE, WORK_FILE
from dataengine.engine.footers import read_footers
from dataengine.engine.part_rows import show_part_rows
from dataengine.engine.parts import SLICE_FIELD, PartFolder, part_folders
from dataengine.engine.plan import plan_schema
from dataengine.engine.results import Results, results_of
from dataengine.engine.storage import Storage
from dataengine.errors import UserError
from dataengine.run_files import PIPELINE_FILE, RUN_FILE
from dataengine.yaml_source import parse_located
from manifests.temporary import TemporaryFolder
from stages.criteria import Criterion, FilterFile

QUERY_MEMORY = "2GB"
"""What queries may hold before they spill to disk."""

SELECTIONS_FOLDER = "selections"
SELECTION_FILE = "selection.json"

CANDIDATE = "(status = 'done' AND kind <> 'unit')"
"""SQL condition: the row is a candidate that was judged, not a unit without candidates or a failure."""


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
    def drivers(self) -> tuple[DriverTime, ...]:
        """The starts of the run."""
        return tuple(driver_times(self.storage))

    @property
    def is_finished(self) -> bool:
        """Whether samples and shards have been made from the parts."""
        return self.results is not None and self.storage.exists(WORK_FILE)

    @cached_property
    def results(self) -> Results | None:
        """The samples and shards that count; None before they are made, or if someone has removed them."""
        results = results_of(self.storage, FINISH_FILE)
        return results if results is not None and results.are_whole(self.storage) else None

    @property
    def selections(self) -> list[str]:
        """Names of what was selected from the run anew, beside its own samples and shards."""
        return [name.split("/")[1] for name in self.storage.files(SELECTIONS_FOLDER, f"/{SELECTION_FILE}")]

    @cached_property
    def columns(self) -> dict[str, pa.DataType]:
        """Columns of the samples table, with their types. Raises UserError if nothing is done yet."""
        with self.storage.open(
            self.results.samples[0] if self.results else self._part_folders[0].tables[0]
        ) as file:
            schema = pq.read_schema(file)
        return {field.name: field.type for field in schema if field.name != SLICE_FIELD.name}

    @cached_property
    def manifest_columns(self) -> frozenset[str]:
        """Columns that came with the manifest, the user's own among them."""
        return frozenset(plan_schema(self.storage).names)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows that a query gives; `samples` is the table of samples, `work` that of the work done.

        Before the run is finished `samples` holds the rows of the parts committed so far.
        """
        return self._execute(sql, parameters).fetchall()

    def rows(self, condition: str, parameters: Sequence[Any] = (), limit: int = 1000) -> list[dict[str, Any]]:
        """Samples that satisfy a condition, whole, by column name; at most `limit`."""
        found = self._execute(
            f"SELECT * FROM samples WHERE {condition} LIMIT {limit:d}",  # noqa: S608
            parameters,
        )
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def _execute(self, sql: str, parameters: Sequence[Any]) -> duckdb.DuckDBPyConnection:
        """Run a query; again, if files it read were replaced by a finish that has just ended."""
        try:
            return self._connection.execute(sql, list(parameters))
        except duckdb.IOException:
            if results_of(self.storage, FINISH_FILE) == self.results:
                raise
            for name in ("results", "_connection"):
                self.__dict__.pop(name, None)
            return self._execute(sql, parameters)

    @cached_property
    def _spill(self) -> TemporaryFolder:
        """Where queries spill to; gone with this object."""
        return TemporaryFolder()

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.execute(f"SET memory_limit = '{QUERY_MEMORY}'")
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"SET temp_directory = '{str(self._spill.path).replace(chr(39), chr(39) * 2)}'")
        if self.results:
            view_tables(connection, "samples", self.storage, self.results.samples)
        else:
            show_part_rows(connection, self.storage, self._part_folders)
            connection.execute("CREATE VIEW samples AS SELECT * FROM rows")
        if self.is_finished:
            view_tables(connection, "work", self.storage, [WORK_FILE])
        else:
            work = [asdict(each) for footer in read_footers(self.storage) for each in footer.work]
            connection.register("work", pa.Table.from_pylist(work))
        return connection

    @cached_property
    def _part_folders(self) -> list[PartFolder]:
        folders = [folder for folder in part_folders(self.storage) if folder.tables]
        if not folders:
            raise UserError("no slice of this run is done yet; look again later", where=self.storage.root)
        return folders
