"""Renders the templates of HTML pages. All pages share one style sheet."""

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import jinja2

from common.duration import describe_duration


def render(template: str, values: Mapping[str, Any], *, script: str = "") -> str:
    """Renders a template from the folder `templates`.

    The values are escaped, so markup in a value has no effect.

    Args:
      template: the file name of the template.
      values: the values of the template's variables, except `style`, `script` and `script_hash`,
        which this function sets.
      script: the name of a file with the page's script; empty for no script.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": lambda value: f"{100 * value:.1f} %",
        "percent0": lambda value: f"{100 * value:.0f} %",
        "interval": lambda share: f"{100 * share.low:.0f} to {100 * share.high:.0f} %",
        "thousands": lambda value: f"{value:,}",
        "duration": describe_duration,
        "base64": lambda content: base64.b64encode(content).decode(),
    }
    program = _read(script) if script else ""
    return environment.get_template(template).render(
        dict(values)
        | {
            "style": _read("style.css"),
            "script": program,
            "script_hash": base64.b64encode(hashlib.sha256(program.encode()).digest()).decode(),
        }
    )


def _read(name: str) -> str:
    return resources.files("components.report").joinpath("templates", name).read_text("utf-8")
