"""From MIDI to sound, with the synthesisers that Debian has for the two kinds of soundfont."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dataengine.errors import UserError
from manifests.catalogue.fetch import file_path
from manifests.catalogue.music import Soundfont
from manifests.media import Waveform

RENDER_RATE = 44_100
"""Hz, as the soundfonts are sampled."""

LONGEST_RENDERING = 1_800
"""Seconds of work after which a synthesiser is given up; it needs some."""

_FULL_SCALE_24 = 2**23


def check_synthesiser(soundfont: Soundfont) -> None:
    """Raise UserError if the program that plays this soundfont is not installed."""
    program = "timidity" if soundfont.is_patch_set else "fluidsynth"
    if shutil.which(program) is None:
        raise UserError(
            f"music is rendered with {program}, which is not installed: apt-get install {program}"
        )


def render(midi: bytes, soundfont: Soundfont, recordings: Path) -> Waveform:
    """A MIDI file as mono sound at `RENDER_RATE`, without reverb and chorus.

    Each call runs a synthesiser of its own: one that has played before may sound different. The same
    bytes come out for the same bytes and versions. Raises UserError if the synthesiser refuses.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        piece, sound = folder / "piece.mid", folder / "piece.raw"
        piece.write_bytes(midi)
        make = _timidity if soundfont.is_patch_set else _fluidsynth
        command = make(piece, sound, soundfont, recordings)
        done = subprocess.run(
            command, capture_output=True, errors="replace", check=False, timeout=LONGEST_RENDERING
        )
        if done.returncode < 0:
            raise UserError(
                f"signal {-done.returncode} ended the synthesiser; the same command goes on from here",
                where=command[0],
            )
        if done.returncode != 0 or not sound.exists():
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise UserError(f"the synthesiser refuses a piece: {reason}", where=soundfont.package)
        return _from_24_bits(sound) if soundfont.is_patch_set else _from_stereo(sound)


def _fluidsynth(piece: Path, sound: Path, soundfont: Soundfont, recordings: Path) -> list[str]:
    # Samples are loaded as they are needed: of hundreds of instruments one is heard.
    settings = ("synth.polyphony=512", "synth.cpu-cores=1", "synth.dynamic-sample-loading=1")
    options = [word for setting in settings for word in ("-o", setting)]
    rate = ["-r", str(RENDER_RATE), "-g", "0.5", "-R", "0", "-C", "0"]
    output = ["-T", "raw", "-O", "float", "-F", str(sound)]
    return ["fluidsynth", "-niq", *rate, *options, *output, str(_first(soundfont, recordings)), str(piece)]


def _timidity(piece: Path, sound: Path, soundfont: Soundfont, recordings: Path) -> list[str]:
    """Its configuration names patches by their place in the system; here it is told where they lie."""
    written = _first(soundfont, recordings).read_text(encoding="utf-8").splitlines()
    patches = recordings / soundfont.package / "usr/share/midi/freepats"
    lines = [f"dir {patches.resolve()}" if line.startswith("dir ") else line for line in written]
    configuration = sound.with_suffix(".cfg")
    configuration.write_text("\n".join(lines), encoding="utf-8")
    # Without --preserve-silence a part whose instrument comes in later would begin too early.
    effects = ["--preserve-silence", "-EFreverb=d", "-EFchorus=d", "-EFdelay=d"]
    output = ["-Or2slM", "-s", str(RENDER_RATE), "-o", str(sound)]
    return ["timidity", "-c", str(configuration), *effects, "--volume=50", "-p", "256", *output, str(piece)]


def _first(soundfont: Soundfont, recordings: Path) -> Path:
    return file_path(soundfont.files[0], recordings)


def _from_stereo(sound: Path) -> Waveform:
    samples = np.fromfile(sound, dtype="<f4").reshape(-1, 2)
    mono: Waveform = samples.mean(axis=1, dtype=np.float32)
    return mono


def _from_24_bits(sound: Path) -> Waveform:
    octets = np.fromfile(sound, dtype=np.uint8)
    samples = np.zeros((len(octets) // 3, 4), dtype=np.uint8)
    samples[:, 1:] = octets[: 3 * len(samples)].reshape(-1, 3)
    steps = samples.view("<i4")[:, 0] >> 8
    return (steps / np.float32(_FULL_SCALE_24)).astype(np.float32)
