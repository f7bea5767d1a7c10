"""A benchmark of scenes of tones, contestants with known answers: who is asked what, and what the tables say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dataengine.evaluation.benchmark.examples import choose, hear
from dataengine.evaluation.benchmark.items import Benchmark, first_of_each
from dataengine.evaluation.benchmark.measures import MEASURES, QUALITY, SDR, SI_SDR, SILENCE, TEXT
from dataengine.evaluation.benchmark.page import render_evaluation
from dataengine.evaluation.benchmark.results import Results
from dataengine.evaluation.benchmark.settings import SETTINGS, PromptKind, Setting, Task
from dataengine.evaluation.benchmark.trial import Trial
from dataengine.evaluation.contest import Contest
from dataengine.evaluation.contestants import Contestant
from dataengine.evaluation.phrase_meanings import PhraseMeanings
from dataengine.evaluation.questions import absences, extractions, with_true_spans
from dataengine.evaluation.true_scenes import TrueScene
from manifests.media import encode_flac
from tests.evaluation.contestants import Halving, Knowing
from tests.evaluation.made_scenes import RATE, SECONDS, scene, tone

MEANINGS = PhraseMeanings.load()
BY_TEXT, BY_SPAN = (Setting(Task.SOUND, kind) for kind in (PromptKind.TEXT, PromptKind.SPAN))
SPEECH = Setting(Task.SPEECH, PromptKind.TEXT)


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    """Sounds by text and by spans, and speech by text."""
    labels = [("a woman speaking", "dog barking"), ("cat", "steam"), ("a man speaking", "helicopter")]
    scenes = [
        scene(tmp_path, f"{number}", {label: tone(200 * (place + 1)) for place, label in enumerate(each)})
        for number, each in enumerate(labels)
    ]
    asked = extractions(scenes, MEANINGS)
    sounds = [each for each in asked if each.named.category == "sound"]
    found = {
        BY_SPAN: with_true_spans(sounds),
        BY_TEXT: sounds,
        SPEECH: [each for each in asked if each.named.category == "speech"],
    }
    questions, _ = first_of_each(found, 10)
    return Benchmark("tones", questions, absent=absences(scenes, MEANINGS))


@pytest.fixture
def recorded(tmp_path: Path) -> Benchmark:
    """The same sort of questions where nobody knows the stems."""
    media = tmp_path / "recording.flac"
    media.write_bytes(encode_flac(tone(200) + tone(400), RATE))
    made = scene(tmp_path, "made", {"a man speaking": tone(200), "cat": tone(400)})
    unknown = TrueScene(
        "recording",
        "real",
        SECONDS,
        tuple(replace(each, stem=None) for each in made.sources[:1]),
        clips=("recording",),
        recording=media,
    )
    (asked, _) = extractions([made], MEANINGS)
    return Benchmark("recordings", {SPEECH: [replace(asked, scene=unknown, text="<b>man</b> speaking")]})


def held(
    benchmark: Benchmark,
    folder: Path,
    separator: Contestant,
    against: Contestant | None = None,
    specialists: tuple[Contestant, ...] = (),
) -> Trial:
    trial = Trial(benchmark, Contest(folder / "answers", RATE), separator, against, specialists, ())
    trial.hold()
    return trial


def results_of(trial: Trial) -> Results:
    return Results(
        benchmark=trial.benchmark.name,
        digest=trial.benchmark.digest,
        sample_rate=RATE,
        contestants={each.name: each.digest for each in trial.contestants},
        separator=trial.separator.name,
        against=None if trial.against is None else trial.against.name,
        tables=trial.tables(),
        not_available={each.title: why for each in MEASURES if (why := trial.why_not(each))},
        silences=trial.silences(),
        wins=trial.wins(),
        left_out=[],
        notes=[],
        models={},
    )


def test_there_are_the_fourteen_settings_of_the_reference() -> None:
    counts = {kind: sum(each.prompts == kind for each in SETTINGS) for kind in PromptKind}
    assert counts == {PromptKind.TEXT: 6, PromptKind.SPAN: 5, PromptKind.VISUAL: 3}
    assert Setting(Task.INSTRUMENT_PRO, PromptKind.SPAN) not in SETTINGS


def test_the_mixture_gains_nothing_and_the_oracle_much(benchmark: Benchmark, tmp_path: Path) -> None:
    tables = {each.measure: each for each in held(benchmark, tmp_path, Knowing("tenth", 0.1)).tables()}
    assert set(tables) >= {SI_SDR, SDR, SILENCE}
    rows = {(row.task, row.prompts): row for row in tables[SI_SDR].rows}
    assert list(rows) == [
        ("speech", "text"),
        ("sound", "text"),
        ("all", "text"),
        ("sound", "span"),
    ]
    for row in rows.values():
        means = {name: each.mean.value for name, each in row.figures.items() if each}
        assert means["mixture"] == 0
        assert means["tenth"] == pytest.approx(20, abs=0.3)
        assert means["oracle mask"] > 20
    everything = rows["all", "text"].figures["tenth"]
    assert everything is not None
    assert everything.rows == rows["all", "text"].questions == 6


def test_half_the_mixture_is_no_better_but_for_its_level(benchmark: Benchmark, tmp_path: Path) -> None:
    tables = {each.measure: each for each in held(benchmark, tmp_path, Halving("half", 0)).tables()}
    gains = [tables[measure].rows[0].figures["half"] for measure in (SI_SDR, SDR)]
    assert all(gains)
    assert [each and each.mean.value for each in gains] == pytest.approx([0, 3.0], abs=0.2)


def test_what_is_not_there_is_asked_of_everybody(benchmark: Benchmark, tmp_path: Path) -> None:
    silences = held(benchmark, tmp_path, Knowing("tenth", 0.1), Halving("half", 0)).silences()
    levels = {name: each.level.median.value for name, each in silences.items()}
    assert levels == pytest.approx({"tenth": -20, "half": -6.02, "mixture": 0, "oracle mask": -120}, abs=0.1)


def test_who_wins_over_whom(benchmark: Benchmark, tmp_path: Path) -> None:
    good, bad = Knowing("good", 0.1), Knowing("bad", 0.3)
    rates = {}
    for name, one, other in (
        ("good", good, bad),
        ("bad", bad, good),
        ("itself", good, Knowing("again", 0.1)),
    ):
        wins = {each.measure: each for each in held(benchmark, tmp_path, one, other).wins()}
        assert SILENCE not in wins  # less silence is no better
        rates[name] = wins[SI_SDR].rates["all", "text"].rate.value
    assert rates == {"good": 1.0, "bad": -1.0, "itself": 0.0}
    assert held(benchmark, tmp_path, good).wins() == []


def test_where_nobody_knows_the_truth_its_measures_are_not_zero_but_not_there(
    recorded: Benchmark, tmp_path: Path
) -> None:
    separator, specialist = Halving("half", 0), Halving("specialist", 0)
    trial = held(recorded, tmp_path, separator, specialists=(specialist,))
    assert [each.measure for each in trial.tables()] == [SILENCE]
    assert trial.why_not(SI_SDR) == "nobody has the true stems of these recordings"
    assert trial.why_not(QUALITY) == "the profile has no model for the role aesthetics_scorer"
    assert set(trial.tables()[0].rows[0].figures) == {"half", "mixture", "oracle mask", "specialist"}
    assert trial.tables()[0].rows[0].figures["oracle mask"] is None
    assert trial.primary is SILENCE
    assert replace(trial, roles=(TEXT.needs or "",)).primary is TEXT
    assert choose(trial) == []
    plain = results_of(trial).to_dict()
    assert "si_sdr_improvement" not in plain["measures"]
    assert "SI-SDR improvement" in plain["not_available"]


def test_specialists_are_asked_for_speech_alone_where_nobody_knows_the_rest(
    recorded: Benchmark, tmp_path: Path
) -> None:
    specialist = Halving("specialist", 0)
    held(
        Benchmark("recordings", {BY_TEXT: recorded.questions[SPEECH]}),
        tmp_path,
        Halving("half", 0),
        None,
        (specialist,),
    )
    assert specialist.asked == []


def test_figures_are_plain_json_without_nan(benchmark: Benchmark, tmp_path: Path) -> None:
    trial = held(benchmark, tmp_path, Knowing("tenth", 0.1), Halving("half", 0))
    plain = json.loads(json.dumps(results_of(trial).to_dict(), allow_nan=False))
    row = plain["measures"]["si_sdr_improvement"]["rows"][0]
    assert row["figures"]["tenth"]["mean"]["value"] == pytest.approx(20, abs=0.3)
    assert plain["net_win_rate"]["si_sdr_improvement"][0]["wins"] == 2
    assert plain["absent"]["mixture"]["level"]["median"]["value"] == 0


def test_one_hears_the_best_the_median_and_the_worst_of_each_task(
    benchmark: Benchmark, tmp_path: Path
) -> None:
    trial = held(benchmark, tmp_path, Knowing("tenth", 0.1), Halving("half", 0))
    chosen = choose(trial)
    assert [(each.setting.task, each.rank) for each in chosen] == [
        (Task.SPEECH, "best"),
        (Task.SPEECH, "worst"),
        (Task.SOUND, "best"),
        (Task.SOUND, "median"),
        (Task.SOUND, "worst"),
    ]
    of_sounds = [each.value for each in chosen if each.setting.task == Task.SOUND]
    assert of_sounds == sorted(of_sounds, reverse=True)
    assert chosen[0].against == pytest.approx(0, abs=0.01)
    heard = list(hear(trial, chosen))
    assert all(set(each.sounds) == {"mixture", "truth", "tenth", "half"} for each in heard)


def test_the_page_needs_no_other_file_and_trusts_no_text(
    benchmark: Benchmark, recorded: Benchmark, tmp_path: Path
) -> None:
    known = held(benchmark, tmp_path, Knowing("tenth", 0.1), Knowing("<script>", 0.3))
    page = render_evaluation(results_of(known), hear(known, choose(known)), known.primary)
    assert page.count("<script>") == 1  # our own
    assert page.count('src="data:audio/flac;base64,') == 4 * len(choose(known))
    assert 'src="data:' in page
    assert page.count('src="') == page.count('src="data:')
    assert "SI-SDR improvement by task and prompt" in page
    assert "+100 %" in page
    for measure in MEASURES:
        assert (known.why_not(measure) is None) == (
            f"<strong>{measure.title}</strong> is not available" not in page
        )
