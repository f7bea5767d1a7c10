"""Pages that stand by themselves: one template, our own style and script inside, everything else escaped."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dataengine.report import formats

FILTERS = ("count", "share", "score", "threshold", "rate", "span_of_time", "hours", "moment")


def render_page(template: str, **values: Any) -> str:
    """The text of an HTML page. Its security policy allows no script but ours, and nothing from elsewhere."""
    environment = Environment(
        loader=PackageLoader("dataengine.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(formats, name) for name in FILTERS}
    script, style = _own("report.js"), _own("report.css")
    return environment.get_template(template).render(
        **values,
        script=Markup(script),  # noqa: S704
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup(style),  # noqa: S704
    )


def _own(name: str) -> str:
    return resources.files("dataengine.report").joinpath("templates", name).read_text()
