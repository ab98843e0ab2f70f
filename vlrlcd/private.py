"""What must not stand in a configuration, because every run writes its own down."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from vlrlcd.errors import UserError

VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
SECRET = re.compile(r"api_?key|authorization|bearer|password|secret|credential", re.IGNORECASE)


def refuse_secrets(section: str, base_url: str, api_key_env: str, extra_body: Mapping[str, Any]) -> None:
    """Looks for keys and passwords where they do not belong; no message repeats what may be one.

    Args:
        section: where the three keys stand, `teacher` or `judge`.
        base_url: the key of that name, as the next ones.
        api_key_env: the name of a variable.
        extra_body: further fields of every request.

    Raises:
        UserError: an address that is none or holds a password or parameters, something that is no variable's name, a
            field that is named like a secret.
    """
    try:
        address = urlsplit(base_url)
        is_address = address.scheme in ("http", "https") and bool(address.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        raise UserError(f"{section}.base_url must be an http or https address such as http://127.0.0.1:8000/v1.")
    if "@" in address.netloc or address.query or address.fragment:
        raise UserError(
            f"{section}.base_url must not hold a password or parameters, since every run writes it down: give the "
            f"address alone, and the key through {section}.api_key_env."
        )
    if api_key_env and not VARIABLE.fullmatch(api_key_env):
        raise UserError(
            f"{section}.api_key_env must be the name of an environment variable, in capitals, and not the key itself."
        )
    if found := next((name for name in _names(extra_body) if SECRET.search(name.replace("-", "_"))), None):
        raise UserError(
            f"{section}.extra_body holds '{found}', and every run writes it down: give the key through "
            f"{section}.api_key_env or {section}.api_key_file."
        )


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)
