from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataengine.errors import UserError
from manifests.schema import SCHEMA_KEY, versioned
from manifests.tables import open_table, read_table, write_table, writing

SCHEMA = versioned([pa.field("a", pa.int64()), pa.field("b", pa.string())])
TABLE = pa.table({"a": [1, 2], "b": ["x", None]}, schema=SCHEMA)


@pytest.mark.parametrize("where", ["{folder}/deep/t.parquet", "memory://tables/t.parquet"])
def test_what_is_written_can_be_read(tmp_path: Path, where: str) -> None:
    uri = where.format(folder=tmp_path)
    write_table(uri, TABLE)
    assert read_table(uri).equals(TABLE)
    assert read_table(uri, ["b"]).column_names == ["b"]
    with open_table(uri) as table:
        assert table.metadata.num_rows == 2


def test_a_table_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(str(path), TABLE)
    with pytest.raises(ValueError, match="schema"), writing(str(path), SCHEMA) as writer:
        writer.write_table(pa.table({"a": [1]}))
    assert read_table(str(path)).equals(TABLE)
    assert list(tmp_path.iterdir()) == [path]


def test_tables_of_others_and_of_the_future_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(UserError, match="no such table"):
        read_table(str(path))
    path.write_bytes(b"uri,start\n")
    with pytest.raises(UserError, match="no Parquet table"):
        read_table(str(path))
    pq.write_table(pa.table({"uri": ["a"]}), path)
    with pytest.raises(UserError, match="dataengine index"):
        read_table(str(path))
    pq.write_table(TABLE.replace_schema_metadata({SCHEMA_KEY: b"7"}), path)
    with pytest.raises(UserError, match="update dataengine"):
        read_table(str(path))
