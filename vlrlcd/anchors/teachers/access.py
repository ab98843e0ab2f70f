"""The address of an endpoint and the key to it; the key is nowhere but in memory and in the request."""

import ipaddress
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vlrlcd.config import AskedConfig
from vlrlcd.errors import UserError

OPENAI_HOST = "api.openai.com"
OPENAI_VARIABLE = "OPENAI_API_KEY"
HIDDEN = "[key]"


@dataclass(frozen=True)
class Access:
    """Where requests go, and with what key; `key` is empty for a server that wants none."""

    base_url: str
    is_local: bool
    is_openai: bool
    key: str

    def __repr__(self) -> str:
        return f"Access({self.base_url!r}, key={HIDDEN if self.key else ''!r})"

    def hidden(self, text: str) -> str:
        """The text without the key in it: a server's message may quote what it was sent."""
        return text.replace(self.key, HIDDEN) if self.key else text


def access(settings: AskedConfig) -> Access:
    """The address, and the key from where the configuration says that it lies; `check` has looked at both values.

    Raises:
        UserError: plain HTTP to another machine; no key where one is needed; a key in the configuration or in a file of
            a repository. No message repeats what may be a key.
    """
    host = urlsplit(settings.base_url).hostname or ""
    if settings.base_url.startswith("http:") and not _is_local(host) and not settings.allow_plain_http:
        raise UserError(
            f"{settings.section}.base_url={settings.base_url} would send prompts and images unencrypted to another "
            f"machine: use https, or --{settings.section}.allow_plain_http=true in a network that you trust."
        )
    key = _from_file(settings) if settings.api_key_file else _from_variable(settings, host)
    if key and key in json.dumps(asdict(settings), ensure_ascii=False):
        raise UserError(
            "the key itself stands in the configuration, which every run writes down: take it out and name a variable "
            f"or file that holds it ({settings.section}.api_key_env, {settings.section}.api_key_file)."
        )
    return Access(settings.base_url.rstrip("/"), _is_local(host), host == OPENAI_HOST, key)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _from_variable(settings: AskedConfig, host: str) -> str:
    name = settings.api_key_env or (OPENAI_VARIABLE if host == OPENAI_HOST else "")
    key = os.environ.get(name, "").strip()
    named = f"the variable {settings.section}.api_key_env names"
    where = f"the environment variable {name}" if name == OPENAI_VARIABLE else named
    if name and not key:
        raise UserError(f"{where} holds no key: export it, or set {settings.section}.api_key_file.")
    return _sendable(key, where)


def _from_file(settings: AskedConfig) -> str:
    path, where = Path(settings.api_key_file).expanduser(), f"the file that {settings.section}.api_key_file names"
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(f"{where} cannot be read ({reason}): give the path of a file that holds the key.") from None
    folder = path.resolve().parent
    repository = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
    if repository:
        raise UserError(f"{where} lies in the repository {repository}: keep keys outside of any.")
    if not key:
        raise UserError(f"{where} is empty: write the key into it.")
    return _sendable(key, where)


def _sendable(key: str, where: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(f"{where} holds something that is no key: it must be one line of letters, digits and signs.")
    return key
