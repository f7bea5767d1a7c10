"""The report is a folder that stands by itself and shows what is in the tables, and nothing that they inject."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import fsspec
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import soundfile
from listening_stages import HOSTILE
from PIL import Image
from test_status import stop_half_way

from dataengine.errors import UserError
from dataengine.report.page import write_report


class Page(HTMLParser):
    """Links, tags and visible text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.html = path.read_text()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.ids: set[str] = set()
        self.text: list[str] = []
        self.feed(self.html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.ids |= {value for name, value in attrs if name == "id"}

    def handle_data(self, data):
        self.text.append(data.strip())


@pytest.fixture(scope="module")
def reported(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(run_dir, tmp_path_factory.mktemp("page") / "run"))
    assert write_report(folder, examples=3) == str(folder / "report.html")
    return folder


@pytest.fixture(scope="module")
def page(reported: Path) -> Page:
    return Page(reported / "report.html")


def test_every_link_leads_to_a_file_beside_the_page(page, reported):
    files = {link for link in page.links if not link.startswith(("#", "data:"))}
    assert len(files) == 4 * 3 * 3 * 2  # groups, samples, stems, audio and image
    assert all((reported / link).is_file() for link in files)
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    assert not re.search(r"https?://", page.html)


def test_audio_and_images_are_whole(reported):
    for audio in (reported / "report").glob("*.flac"):
        assert soundfile.info(str(audio)).duration == pytest.approx(10, abs=0.01)
        with Image.open(audio.with_suffix(".png")) as image:
            assert image.size == (560, 112)


def test_hostile_labels_are_shown_as_text(page):
    assert HOSTILE in page.text
    assert page.tags.count("script") == 1
    assert "<script>document" not in page.html


def test_the_numbers_on_the_page_are_those_of_the_table(page, reported, rows):
    figures = json.loads((reported / "report" / "figures.json").read_text())
    assert figures["funnel"]["kept"] == rows["kept"].sum()
    labels = {label["text"]: label["kept"] for label in figures["labels"]["shown"]}
    kept = rows[rows["status"] == "done"].groupby("text")["kept"].sum()
    assert labels == kept.to_dict()
    assert figures["failures"][0]["count"] == 1
    for wanted in (
        f"{rows['kept'].sum() / 63:.1%}".replace("%", " %"),
        "FileNotFoundError",
        "CC-BY-3.0",
        "yamnet",
    ):
        assert any(wanted in text for text in page.text), wanted


def test_models_that_forbid_commerce_are_marked(page):
    assert "not for commercial use" in page.text


def test_time_inside_models_is_part_of_the_stages_time(reported):
    speed = json.loads((reported / "report" / "figures.json").read_text())["speed"]
    stages = {stage["stage"]: stage for stage in speed["stages"]}
    assert stages["decode"]["rows"] == 22
    assert 0 < stages["scene_complexity"]["model_seconds"] <= stages["scene_complexity"]["seconds"]
    assert sum(stage["seconds"] for stage in stages.values()) <= speed["worker_seconds"]


def test_a_new_report_leaves_nothing_of_the_old(own_run_dir):
    write_report(own_run_dir, examples=2, seed=0)
    write_report(own_run_dir, examples=2, seed=5)
    page = Page(own_run_dir / "report.html")
    files = {f"report/{path.name}" for path in (own_run_dir / "report").iterdir()}
    assert files == {link for link in page.links if link.startswith("report/")} | {"report/figures.json"}


def test_a_run_that_was_stopped_can_be_looked_at(own_run_dir):
    stop_half_way(own_run_dir)
    page = Page(Path(write_report(own_run_dir, examples=2)))
    assert any("not finished" in text for text in page.text)
    figures = json.loads((own_run_dir / "report" / "figures.json").read_text())
    assert 0 < figures["funnel"]["units"] < 23
    assert figures["speed"]["stages"][0]["rows"] > 0


def test_a_run_without_candidates_has_a_page_that_says_so(own_run_dir):
    for path in (own_run_dir / "samples").glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.filter(pc.field("status") != "done"), path)
    write_report(own_run_dir)
    figures = json.loads((own_run_dir / "report" / "figures.json").read_text())
    assert figures["funnel"]["candidates"] == 0
    assert figures["histograms"] == []
    assert Page(own_run_dir / "report.html").tags.count("audio") == 0


def test_a_report_on_another_filesystem(run_dir):
    memory = fsspec.filesystem("memory")
    memory.put(str(run_dir), "/somewhere/run", recursive=True)
    assert write_report("memory://somewhere/run", examples=1) == "memory://somewhere/run/report.html"
    assert b"<!doctype html>" in memory.cat("/somewhere/run/report.html")
    assert len(memory.glob("/somewhere/run/report/*.flac")) == 12


def test_no_run_no_report(own_run_dir, tmp_path):
    with pytest.raises(UserError, match="not a run directory"):
        write_report(tmp_path)
    stop_half_way(own_run_dir)
    shutil.rmtree(own_run_dir / "parts")
    with pytest.raises(UserError, match="no slice of this run is done yet"):
        write_report(own_run_dir)
