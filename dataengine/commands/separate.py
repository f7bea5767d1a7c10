"""`dataengine separate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dataengine.errors import UserError
from dataengine.models.profile import Profile, ProfileModels
from dataengine.models.roles import SpanPredictor
from manifests.media import MediaError, probe
from manifests.progress import Progress
from trainer.borrowed_models import load_beside_network
from trainer.separating_files import RESIDUAL_FILE, TARGET_FILE, separate_file
from trainer.separator import Prompted, Separator


def separate(
    uri: str,
    out: Path,
    text: str | None,
    spans: Sequence[str],
    predict_spans: bool,
    remove: bool,
    separator: str,
    steps: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Separate one recording and say where the stems are."""
    if text is None and not spans:
        raise UserError("say what to take out: --text 'dog barking', or --span 1.0,2.5 where it sounds")
    if predict_spans and (text is None or spans):
        raise UserError(
            "spans are predicted from a text alone: give --text, and no --span", where="--predict-spans"
        )
    marked = tuple(_span(each) for each in spans)
    loaded = Separator.from_pretrained(separator)
    predictor = _predictor(loaded) if predict_spans else None
    sampling = loaded.config.sampling if steps is None else replace(loaded.config.sampling, steps=steps)
    prompt = Prompted(np.zeros(0, dtype=np.float32), text, marked, seed)
    out.mkdir(parents=True, exist_ok=True)
    try:
        seconds = probe(uri).duration
        with Progress("Separating", total=seconds, unit="s") as progress:
            files = (RESIDUAL_FILE,) if remove else (TARGET_FILE, RESIDUAL_FILE)
            separate_file(loaded, uri, out, files, prompt, sampling, progress.update, predictor)
    except (MediaError, FileNotFoundError) as error:
        raise UserError(f"cannot be read: {error}", where=uri) from error
    written = {Path(file).stem: str(out / file) for file in files}
    if as_json:
        print(json.dumps(written))
        return
    print("\n".join(f"{name:9} {path}" for name, path in written.items()))
    if not loaded.adds_up:
        print("this separator generates both stems: they need not add up to the recording")


def _predictor(separator: Separator) -> SpanPredictor:
    """That of the separator's profile."""
    predictor: SpanPredictor = load_beside_network(
        ProfileModels(Profile.load(separator.config.profile)), "span_predictor"
    )
    return predictor


def _span(written: str) -> tuple[float, float]:
    try:
        start, end = (float(each) for each in written.split(","))
    except ValueError:
        start, end = 0.0, 0.0
    if not 0 <= start < end:
        raise UserError("a span is START,END in seconds, as in --span 1.0,2.5", where=f"--span {written}")
    return start, end
