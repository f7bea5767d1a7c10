from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from media_files import sound, write_container, write_sound

import manifests.indexing
from dataengine.errors import UserError
from manifests.identity import unit_id
from manifests.indexing import IndexOptions, IndexSummary, index
from manifests.media import read_window
from manifests.schema import MANIFEST_SCHEMA
from manifests.tables import read_table

Indexed = tuple[list[dict[str, Any]], IndexSummary]


@pytest.fixture
def indexed(tmp_path: Path) -> Callable[..., Indexed]:
    """A function that indexes sources with the given options and returns the rows and the summary."""

    def run(*sources: Path | str, **options: Any) -> Indexed:
        out = str(tmp_path / "out" / "manifest.parquet")
        summary = index([str(source) for source in sources], out, IndexOptions(**options))
        return read_table(out).to_pylist(), summary

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four recordings in three formats, one of them twice, and files that are none."""
    folder = tmp_path / "recordings"
    (folder / "deep").mkdir(parents=True)
    write_sound(folder / "b.wav", sound(25.5, 16000), 16000)
    write_sound(folder / "deep" / "c.flac", sound(4, 44100, channels=2), 44100)
    shutil.copy(folder / "b.wav", folder / "deep" / "a.wav")
    write_container(folder / "d.mp4", sound(3, 44100), 44100, "aac", video=True)
    write_sound(folder / "short.ogg", sound(0.4, 16000), 16000)
    (folder / "empty.wav").touch()
    (folder / "text.mp3").write_text("no sound")
    (folder / "notes.txt").write_text("passed over")
    (folder / ".hidden.wav").write_bytes(b"")
    return folder


def named(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["uri"].endswith(f"/{name}")]


def test_a_folder_becomes_a_manifest(indexed: Callable[..., Indexed], folder: Path) -> None:
    rows, summary = indexed(folder, licence="CC0-1.0")
    assert [(Path(row["uri"]).name, row["start"], row["duration"], row["error_type"]) for row in rows] == [
        ("b.wav", 0.0, 10.0, None),
        ("b.wav", 10.0, 10.0, None),
        ("b.wav", 20.0, 5.5, None),
        ("d.mp4", 0.0, pytest.approx(3.0, abs=0.03), None),
        ("c.flac", 0.0, 4.0, None),
        ("empty.wav", None, None, "EmptyFileError"),
        ("short.ogg", None, None, "TooShortError"),
        ("text.mp3", None, None, "UnknownFormatError"),
    ]
    assert len({row["unit_id"] for row in rows}) == len(rows)
    first = rows[0]
    assert first["unit_id"] == unit_id(first["recording_id"], 0.0, 10.0)
    assert first["other_uris"] == [str(folder / "deep" / "a.wav")]
    assert (first["recording_duration"], first["sample_rate"], first["channels"]) == (25.5, 16000, 1)
    assert (first["container"], first["has_video"], first["licence"]) == ("wav", False, "CC0-1.0")
    assert first["bytes"] == (folder / "b.wav").stat().st_size
    assert named(rows, "d.mp4")[0]["has_video"]
    assert (summary.files, summary.skipped, summary.recordings, summary.copies) == (7, 2, 3, 1)
    assert (summary.windows, summary.with_video, summary.without_licence) == (5, 1, 0)
    assert summary.unreadable == {"EmptyFileError": 1, "TooShortError": 1, "UnknownFormatError": 1}
    for row in rows[:5]:
        assert len(read_window(row["uri"], row["start"], row["duration"], 8000)) == round(
            row["duration"] * 8000
        )


def test_the_manifest_keeps_the_contract(
    indexed: Callable[..., Indexed], folder: Path, tmp_path: Path
) -> None:
    indexed(folder)
    schema = pq.read_schema(tmp_path / "out" / "manifest.parquet")
    assert schema.equals(MANIFEST_SCHEMA)
    assert schema.metadata == MANIFEST_SCHEMA.metadata


def test_the_manifest_depends_neither_on_workers_nor_on_the_order_of_sources(
    folder: Path, tmp_path: Path
) -> None:
    for number in range(40):
        write_sound(folder / f"n{number}.wav", sound(1 + number / 10, 8000, seed=number), 8000)
    first, second = tmp_path / "1.parquet", tmp_path / "2.parquet"
    index([str(folder), str(folder / "b.wav")], str(first), IndexOptions(workers=1))
    index([str(folder / "b.wav"), str(folder / "deep"), str(folder)], str(second), IndexOptions(workers=3))
    assert read_table(str(first)).equals(read_table(str(second)))


def test_ids_follow_the_content(indexed: Callable[..., Indexed], folder: Path, tmp_path: Path) -> None:
    before, _ = indexed(folder / "deep")
    shutil.move(folder / "deep" / "a.wav", tmp_path / "elsewhere.dat")
    after, _ = indexed(tmp_path / "elsewhere.dat")
    assert [row["unit_id"] for row in after] == [row["unit_id"] for row in named(before, "a.wav")]


def test_windows_are_as_long_as_asked(indexed: Callable[..., Indexed], folder: Path) -> None:
    rows, summary = indexed(folder / "b.wav", window_seconds=5, minimum_seconds=2)
    assert [row["duration"] for row in rows] == [5.0] * 5
    assert summary.hours_left_out * 3600 == pytest.approx(0.5)
    for wrong in ({"window_seconds": 0}, {"window_seconds": 0.5}, {"minimum_seconds": 0}):
        with pytest.raises(UserError, match="windows of"):
            indexed(folder, **wrong)


def test_a_few_long_recordings_are_as_good_as_many_short_ones(
    indexed: Callable[..., Indexed], tmp_path: Path
) -> None:
    """More windows than are held in memory at a time, in recordings that end in the middle of it."""
    for number in range(3):
        write_sound(tmp_path / f"{number}.wav", sound(40, 1000, seed=number), 1000)
    write_sound(tmp_path / "short.wav", sound(0.001, 1000), 1000)
    rows, summary = indexed(tmp_path, window_seconds=0.001, minimum_seconds=0.001)
    assert [row["start"] for row in rows] == [*(number / 1000 for number in range(40_000))] * 3 + [0.0]
    assert summary.windows == len({row["unit_id"] for row in rows}) == 120_001


def test_metadata_follows_its_recordings(
    indexed: Callable[..., Indexed], folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / "facts.csv"
    table.write_text("file_name,licence,label,place\na.wav,CC-BY-4.0,rain,1\nc.flac,,dog,2\nlost.wav,,,3\n")
    rows, summary = indexed(folder, metadata=str(table), licence="unknown")
    assert list(rows[0])[-2:] == ["label", "place"]
    rain, dog, film = named(rows, "b.wav")[0], named(rows, "c.flac")[0], named(rows, "d.mp4")[0]
    assert (rain["licence"], rain["label"], rain["place"]) == ("CC-BY-4.0", "rain", 1)  # its copy has a row
    assert (dog["licence"], dog["label"], dog["place"]) == ("unknown", "dog", 2)
    assert (film["licence"], film["label"], film["place"]) == ("unknown", None, None)
    assert summary.metadata_unmatched == 1


def test_metadata_may_be_keyed_by_paths_and_hold_any_type(
    indexed: Callable[..., Indexed], folder: Path
) -> None:
    table = folder / "facts.parquet"
    uris = ["deep/c.flac", str(folder / "d.mp4")]
    pq.write_table(pa.table({"uri": uris, "license": ["A", "B"], "tags": [["x", "y"], []]}), table)
    rows, summary = indexed(folder, metadata=str(table))
    assert (named(rows, "c.flac")[0]["licence"], named(rows, "c.flac")[0]["tags"]) == ("A", ["x", "y"])
    assert (named(rows, "d.mp4")[0]["licence"], named(rows, "d.mp4")[0]["tags"]) == ("B", [])
    assert named(rows, "b.wav")[0]["tags"] is None
    assert summary.metadata_unmatched == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,label\na.wav,x\n", "needs a column 'uri' or 'file_name'"),
        ("uri,start\na.wav,1\n", "needs the name 'start' itself"),
        ("file_name,label\na.wav,x\na.wav,y\n", "more than once"),
        ("uri,label\n,x\n", "row 1 of the metadata has no uri"),
        ("uri,label\na.wav,x,y\n", "cannot read the table"),
    ],
)
def test_metadata_that_cannot_be_joined_is_refused(
    indexed: Callable[..., Indexed], folder: Path, tmp_path: Path, content: str, message: str
) -> None:
    table = tmp_path / "facts.csv"
    table.write_text(content)
    with pytest.raises(UserError, match=message) as refused:
        indexed(folder, metadata=str(table))
    assert refused.value.where == str(table)


def test_recordings_of_a_benchmark_are_marked(
    indexed: Callable[..., Indexed], folder: Path, tmp_path: Path
) -> None:
    """A copy of the file, and a lossless copy of the sound under another format."""
    clip = (sound(3, 16000, seed=5) * 2**15).astype("int16")
    bench = tmp_path / "bench"
    bench.mkdir()
    write_sound(bench / "one.wav", clip, 16000)
    shutil.copy(folder / "b.wav", bench / "two.wav")
    write_sound(folder / "leak.flac", clip, 16000)
    never = str(tmp_path / "never.parquet")
    index([str(bench)], never, IndexOptions(fingerprint=True))
    rows, summary = indexed(folder, never_train=never)
    assert {Path(row["uri"]).name for row in rows if row["never_train"]} == {"b.wav", "leak.flac"}
    assert summary.never_train == 2

    text = tmp_path / "never.txt"
    text.write_text(f"# the benchmark\n{named(rows, 'b.wav')[0]['recording_id']}\n")
    rows, _ = indexed(folder, never_train=str(text))
    assert {Path(row["uri"]).name for row in rows if row["never_train"]} == {"b.wav"}

    for wrong in ("b.wav\n", "# nothing\n"):
        text.write_text(wrong)
        with pytest.raises(UserError, match=r"no recording id|empty"):
            indexed(folder, never_train=str(text))


def test_lists_patterns_and_uris_are_sources(
    indexed: Callable[..., Indexed], folder: Path, tmp_path: Path
) -> None:
    listed = folder / "list.txt"
    listed.write_text("# two of them\nb.wav\ndeep/c.flac\n\nmissing.wav\n")
    rows, _ = indexed(listed)
    assert [Path(row["uri"]).name for row in rows] == ["b.wav"] * 3 + ["c.flac", "missing.wav"]
    assert rows[-1]["error_type"] == "FileNotFoundError"
    pq.write_table(pa.table({"uri": ["b.wav"]}), folder / "list.parquet")
    for source in (folder / "list.parquet", folder / "b.*", f"{tmp_path}/**/b.wav", f"file://{folder}/b.wav"):
        rows, _ = indexed(source)
        assert [row["uri"] for row in rows] == [str(folder / "b.wav")] * 3


@pytest.fixture
def web(folder: Path) -> Iterator[str]:
    """The folder, served over HTTP."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_recordings_on_the_web_are_the_same_recordings(
    indexed: Callable[..., Indexed], folder: Path, web: str
) -> None:
    local, _ = indexed(folder / "b.wav", folder / "d.mp4")
    remote, _ = indexed(f"{web}/b.wav", f"{web}/d.mp4", f"{web}/missing.wav")
    assert [row["unit_id"] for row in remote[:4]] == [row["unit_id"] for row in local]
    assert remote[0]["uri"] == f"{web}/b.wav"
    assert remote[4]["error_type"] == "FileNotFoundError"


def test_links_are_followed_and_loops_are_not(indexed: Callable[..., Indexed], folder: Path) -> None:
    (folder / "up").symlink_to(folder)
    (folder / "deep" / "again").symlink_to(folder / "deep")
    (folder / "ring").symlink_to(folder / "ring")
    (folder / "gone.wav").symlink_to(folder / "nowhere")
    (folder / "device").symlink_to("/dev/zero")
    rows, summary = indexed(folder)
    assert {Path(row["uri"]).name: row["error_type"] for row in rows if row["error_type"]} == {
        "ring": "OSError",
        "gone.wav": "FileNotFoundError",
        "device": "UnknownFormatError",
        "empty.wav": "EmptyFileError",
        "short.ogg": "TooShortError",
        "text.mp3": "UnknownFormatError",
    }
    assert summary.recordings == 3


def test_a_name_that_is_no_text_has_its_row(indexed: Callable[..., Indexed], folder: Path) -> None:
    shutil.copy(folder / "b.wav", os.fsencode(folder) + b"/caf\xe9.wav")
    rows, _ = indexed(folder)
    assert [row["error"] for row in rows if "caf" in row["uri"]] == [
        "the file's name is not UTF-8; rename it"
    ]


WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may read everything")
def test_what_may_not_be_read_has_its_row(folder: Path, tmp_path: Path) -> None:
    (folder / "deep").chmod(0)
    (folder / "b.wav").chmod(0)
    out = tmp_path / "out.parquet"
    script = "import sys; from manifests.indexing import index; index(sys.argv[1:2], sys.argv[2])"
    command = [sys.executable, "-c", script, str(folder), str(out)]
    prefix = WITHOUT_PRIVILEGES if os.geteuid() == 0 else []
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rows = read_table(str(out)).to_pylist()
    denied = {row["uri"] for row in rows if row["error_type"] == "PermissionError"}
    (folder / "deep").chmod(0o755)
    assert denied == {str(folder / "deep"), str(folder / "b.wav")}


def test_what_is_not_there_is_the_users_mistake(indexed: Callable[..., Indexed], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        indexed(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="no media files"):
        indexed(tmp_path / "bare")
    with pytest.raises(UserError, match="nosuch"):
        indexed("nosuch://bucket/a.wav")


@pytest.mark.parametrize("out", ["b.wav/manifest.parquet", ".", "nosuch://bucket/manifest.parquet"])
def test_where_no_manifest_can_be_written_nothing_is_probed(
    folder: Path, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probed(*_: Any) -> None:
        raise AssertionError("a file was probed")

    monkeypatch.setattr(manifests.indexing, "probe_files", probed)
    with pytest.raises(UserError, match=r"folder|cannot be opened"):
        index([str(folder)], out if "://" in out else str(folder / out))


def test_an_interrupted_index_leaves_the_manifest_as_it_was(
    indexed: Callable[..., Indexed], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _ = indexed(folder / "b.wav")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(manifests.indexing, "units_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        indexed(folder)
    assert read_table(str(tmp_path / "out" / "manifest.parquet")).to_pylist() == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.parquet"]
