"""The address of an endpoint and the key to it; the key is nowhere but in memory and in the request."""

import ipaddress
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vlrlcd.config import TeacherConfig
from vlrlcd.errors import UserError

OPENAI_HOST = "api.openai.com"
OPENAI_VARIABLE = "OPENAI_API_KEY"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
HIDDEN = "[key]"


@dataclass(frozen=True)
class Access:
    """Where requests go, and with what key; `key` is empty for a server that wants none."""

    base_url: str
    is_local: bool
    key: str

    def __repr__(self) -> str:
        return f"Access({self.base_url!r}, key={HIDDEN if self.key else ''!r})"

    def hidden(self, text: str) -> str:
        """The text without the key in it: a server's message may quote what it was sent."""
        return text.replace(self.key, HIDDEN) if self.key else text


def access(settings: TeacherConfig) -> Access:
    """The checked address, and the key from where the configuration says that it lies.

    Raises:
        UserError: an address that is none, holds a key or a password, or is plain HTTP to another machine; no key where
            one is needed; a key in the configuration or in a file of a repository.
    """
    address = _address(settings)
    key = _key(settings, address.hostname)
    if key and key in json.dumps(asdict(settings), ensure_ascii=False):
        raise UserError(
            "the key itself stands in the configuration, which every run writes down: take it out and name a variable "
            "or file that holds it (teacher.api_key_env, teacher.api_key_file)."
        )
    return Access(settings.base_url.rstrip("/"), _is_local(address.hostname), key)


def _address(settings: TeacherConfig):
    try:
        address = urlsplit(settings.base_url)
        is_address = address.scheme in ("http", "https") and bool(address.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        raise UserError("teacher.base_url must be an http or https address such as http://127.0.0.1:8000/v1.")
    if "@" in address.netloc or address.query or address.fragment:
        # not quoted: it may hold a password or a key
        raise UserError(
            "teacher.base_url must not hold a password or parameters, since every run writes it down: give the address "
            "alone, and the key through teacher.api_key_env."
        )
    if address.scheme == "http" and not _is_local(address.hostname) and not settings.allow_plain_http:
        raise UserError(
            f"teacher.base_url={settings.base_url} would send prompts and images unencrypted to another machine: use "
            "https, or --teacher.allow_plain_http=true in a network that you trust."
        )
    return address


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key(settings: TeacherConfig, host: str) -> str:
    if settings.api_key_file:
        return _from_file(Path(settings.api_key_file).expanduser())
    name = settings.api_key_env or (OPENAI_VARIABLE if host == OPENAI_HOST else "")
    if name and not VARIABLE.fullmatch(name):
        # not quoted: it is probably the key itself
        raise UserError("teacher.api_key_env must be the name of an environment variable, not the key itself.")
    key = os.environ.get(name, "").strip()
    if name and not key:
        raise UserError(f"the environment variable {name} holds no key: export it, or set teacher.api_key_file.")
    return _sendable(key, name)


def _from_file(path: Path) -> str:
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UserError(f"teacher.api_key_file={path} cannot be read ({reason}).") from None
    folder = path.resolve().parent
    repository = next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)
    if repository:
        raise UserError(f"teacher.api_key_file={path} lies in the repository {repository}: keep keys outside of any.")
    if not key:
        raise UserError(f"teacher.api_key_file={path} is empty: write the key into it.")
    return _sendable(key, str(path))


def _sendable(key: str, where: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(f"{where} holds something that is no key: it must be one line of letters, digits and signs.")
    return key
