"""The documentation names every setting, with the default it has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from dataengine.engine.settings import EngineSettings, PackSettings

PAGE = (Path(__file__).parents[1] / "docs" / "pipeline-file.md").read_text()


def documented(heading: str) -> dict[str, Any]:
    """Key and default of each row of the table below a heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", section, re.MULTILINE)
    return {key: yaml.safe_load(default) for key, default in rows}


@pytest.mark.parametrize(
    ("heading", "settings"),
    [("How shards are packed", PackSettings()), ("How the work is cut and spread", EngineSettings())],
)
def test_every_setting_is_documented_with_its_default(heading: str, settings: BaseModel) -> None:
    assert documented(heading) == settings.model_dump()
