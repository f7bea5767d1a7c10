"""Pipelines, manifests and recordings that mean harm: nothing is executed, fetched or written elsewhere."""

from __future__ import annotations

import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from cheap_job import STAGE_FILES, CheapJob
from driver_process import run_to_end
from poisoned_files import RATE, noise

from manifests.media import MediaError, probe, read_window

MARKUP = "<img src=x onerror=alert(1)>"

PIPELINES = {
    "calls a function": "!!python/object/apply:os.system ['touch {canary}']",
    "makes an object": "!!python/object/new:subprocess.Popen [['touch', '{canary}']]",
    "names a module": "!!python/name:os.system",
    "imports a stage": "{{stages: [os.system]}}",
    "reads a file that is no filter": "{{stages: [tone, {{filter: {{criteria: ../../../../../../etc/shadow}}}}]}}",
    "extends a device": "{{extends: /dev/zero, stages: [tone]}}",
    "has a profile elsewhere": "{{profile: ../../../../../../etc/passwd, stages: [decode]}}",
}


@pytest.mark.slow
@pytest.mark.parametrize("what", PIPELINES)
def test_a_pipeline_file_is_data(tmp_path, what):
    canary = tmp_path / "canary"
    job = CheapJob.write(tmp_path / "job", 10)
    job.pipeline.write_text(PIPELINES[what].format(canary=canary) + "\n")
    code, printed = run_to_end(job.command(tmp_path / "run"), tmp_path / "output.txt", seconds=120)
    assert code == 2, printed
    assert printed.count("\n") == 1
    assert not canary.exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_manifest_cannot_name_files_outside_the_run(tmp_path):
    job = CheapJob.write(tmp_path / "job", 10)
    table = pq.read_table(job.manifest)
    ids = [*table.column("unit_id").to_pylist()[:9], "../../../../outside"]
    table = table.set_column(0, table.schema.field("unit_id"), pa.array(ids))
    pq.write_table(table, job.manifest)
    code, printed = run_to_end(job.command(tmp_path / "run"), tmp_path / "output.txt", seconds=120)
    assert code == 2
    assert "no id of ours" in printed


class Bait:
    """A web server and a recording that nobody has reason to open, but for hostile files that name them."""

    def __init__(self, folder: Path) -> None:
        self.recording = folder / "bait.wav"
        soundfile.write(self.recording, noise(3), RATE)
        self.requests: list[str] = []
        bait = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                bait.requests.append(self.path)
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/bait.wav"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def files(self) -> dict[str, str]:
        """Files that name the bait, by suffix and content."""
        names = (str(self.recording), self.url)
        local, remote = names
        playlists = "".join(f"#EXTINF:3,\n{name}\n" for name in names)
        return {
            "playlist.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n{playlists}#EXT-X-ENDLIST\n",
            "playlist.mp3": f'#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXT-X-KEY:METHOD=AES-128,URI="{remote}"\n{playlists}',
            "script.flac": f"ffconcat version 1.0\nfile '{local}'\nfile '{remote}'\n",
            "script.ffconcat": f"ffconcat version 1.0\nfile {local}\n",
            "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
            "manifest.mp4": f"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' "
            f"mediaPresentationDuration='PT3S'><Period><AdaptationSet mimeType='audio/wav'><Representation "
            f"id='1' bandwidth='1'><BaseURL>{remote}</BaseURL></Representation></AdaptationSet></Period></MPD>",
            "stream.wav": f"<smil><body><audio src='{remote}'/></body></smil>",
            "picture.ogg": f"<svg xmlns='http://www.w3.org/2000/svg'><image href='{remote}'/></svg>",
        }

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def bait(tmp_path) -> Iterator[Bait]:
    bait = Bait(tmp_path)
    yield bait
    bait.close()


def test_no_recording_leads_to_another_file_or_address(bait, tmp_path):
    for name, content in bait.files().items():
        path = tmp_path / name
        path.write_text(content)
        for uri in (str(path), f"file://{path}"):
            with pytest.raises(MediaError):
                probe(uri)
            with pytest.raises(MediaError):
                read_window(uri, 0.0, 1.0, RATE)
    assert bait.requests == []


@pytest.mark.parametrize(
    "uri",
    [
        "concat:{bait}|{bait}",
        "subfile,,start,0,end,9999,,:{bait}",
        "crypto:{bait}",
        "data:audio/wav;base64,UklGRg==",
        "|touch {canary}",
        "$(touch {canary})",
        "pipe:0",
        "lavfi:sine",
    ],
)
def test_no_protocol_of_a_decoder_is_a_way_to_a_recording(bait, tmp_path, uri):
    canary = tmp_path / "canary"
    with pytest.raises((MediaError, OSError)):
        probe(uri.format(bait=bait.recording, canary=canary))
    assert not canary.exists()


@pytest.mark.slow
def test_hostile_recordings_leave_no_trace_but_rows(bait, tmp_path):
    folder, home, run_dir = tmp_path / "recordings", tmp_path / "home", tmp_path / "run"
    for each in (folder, home):
        each.mkdir()
    for name, content in bait.files().items():
        (folder / f"{MARKUP} {name}.flac").write_text(content)
    for number in range(4):
        soundfile.write(folder / f"{MARKUP} {number}.wav", noise(2, seed=number), RATE)
    environment, output, manifest = {"HOME": str(home)}, tmp_path / "output.txt", tmp_path / "m.parquet"
    metadata = tmp_path / "about.csv"
    metadata.write_text(
        "file_name,title\n" + "".join(f'"{MARKUP} {number}.wav","</script>{MARKUP}"\n' for number in range(4))
    )
    index = ("index", folder, "-o", manifest, "--metadata", metadata, "--window-seconds", "1")
    code, printed = run_to_end(index, output, environment)
    assert code == 0, printed
    for path in sorted(folder.glob("*.wav"))[:2]:  # they turn hostile after they were indexed
        path.write_text(bait.files()["script.flac"])
    pipeline = tmp_path / "light.yaml"
    pipeline.write_text("stages: [decode, propose, halve, levels]\nengine: {micro_batch_units: 4}\n")
    stages = [argument for file in STAGE_FILES for argument in ("--stages", file)]
    before = files_but_those_in(run_dir, home / ".ray")
    command = ("run", pipeline, "--set", f"input={manifest}", "--run-dir", run_dir, *stages)
    code, printed = run_to_end(command, output, environment)
    assert code == 0, printed

    rows = pq.read_table(run_dir / "samples").to_pandas()
    assert (rows["status"] == "failed").sum() == len(bait.files()) + 4
    assert bait.requests == []
    assert files_but_those_in(run_dir, home / ".ray") == before
    for shard in (run_dir / "shards").glob("*.tar"):
        with tarfile.open(shard) as tar:
            assert all(re.fullmatch(r"[0-9a-f]{32}\.[a-z.]+", name) for name in tar.getnames())
    report = (run_dir / "report.html").read_text()
    assert MARKUP not in report
    assert "</script><img" not in report


def files_but_those_in(run_dir: Path, of_ray: Path) -> set[Path]:
    """All that lies beside a run directory; Ray keeps a token of its own in the home directory."""
    beside = run_dir.parent.rglob("*")
    return {path for path in beside if not path.is_relative_to(run_dir) and not path.is_relative_to(of_ray)}
