"""Templates to pages that run no script but their own."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


class Page:
    """A rendered page with the policy that it asks a browser to keep."""

    def __init__(self, template: str, live: str = "", scripts: Sequence[str] = ("browse.js",), **values: Any):
        """Renders.

        Args:
            template: its file.
            live: the state of the run that the page shows. The page asks its server for another, which its policy then
                allows; a page without it asks nobody.
            scripts: files of what else the page runs.
            values: what the template names.
        """
        scripts = [_script(name) for name in [*scripts, *["live.js"] * bool(live)]]
        self.policy = _policy(scripts, bool(live))
        self.html = (
            _environment()
            .get_template(template)
            .render(policy=self.policy, scripts=[Markup(script) for script in scripts], live=live, **values)
        )


def piece(template: str, **values: Any) -> Markup:
    """A part of a page, to stand in a template as it is."""
    return Markup(_environment().get_template(template).render(**values))


def _script(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _policy(scripts: list[str], live: bool) -> str:
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    rules = [
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        *["script-src " + " ".join(f"'sha256-{one}'" for one in hashes)] * bool(hashes),
        *["connect-src 'self'"] * live,
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
