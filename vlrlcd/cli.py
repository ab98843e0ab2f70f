"""Command lines of the scripts: YAML, flags, help, and errors in one sentence."""

import difflib
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace

from vlrlcd.config import Config
from vlrlcd.config_check import faults
from vlrlcd.errors import UserError
from vlrlcd.processes import leaving


def parse_config(description: str, default_config: str | None = None, argv: list[str] | None = None) -> Config:
    """The configuration alone, see `parse`."""
    return parse(description, default_config, argv)[0]


def parse(
    description: str,
    default_config: str | None = None,
    argv: list[str] | None = None,
    own_flags: Mapping[str, dict[str, Any]] = MappingProxyType({}),
) -> tuple[Config, Namespace]:
    """The configuration from `--config FILE` and `--section.key=value`, checked, and a script's own flags.

    Args:
        description: first lines of `--help`.
        default_config: the YAML taken when no `--config` is given.
        argv: the command line without the program; `sys.argv` if None.
        own_flags: arguments of `ArgumentParser.add_argument` by flag (`"--dry-run"`).

    Raises:
        UserError: an unknown key (with the nearest known one), a wrong type, an impossible value.
    """
    found = read(description, default_config, argv, own_flags)
    for fault in found.faults:
        raise UserError(fault)
    return found.config, found.flags


@dataclass(frozen=True)
class Reading:
    """Attributes:
    config: as far as it is known; None where the file cannot be read, or holds a value of a wrong type.
    flags: of the command line.
    faults: what is wrong with the file or with values, a sentence each.
    """

    config: Config | None
    flags: Namespace
    faults: list[str]


def read(
    description: str,
    default_config: str | None = None,
    argv: list[str] | None = None,
    own_flags: Mapping[str, dict[str, Any]] = MappingProxyType({}),
) -> Reading:
    """As `parse`, but goes on after a fault, with unknown keys of the file left out.

    Raises:
        UserError: the command line itself holds an unknown key or a wrong type.
    """
    parser = ArgumentParser(description=description, exit_on_error=False)
    for flag, arguments in own_flags.items():
        parser.add_argument(flag, **arguments)
    parser.add_argument("--config", type=str, default=default_config, help="YAML file with any of the keys below")
    parser.add_argument("--local_rank", type=int, default=0, help="given by the launcher, ignored")
    parser.add_class_arguments(Config, None)
    argv = sys.argv[1:] if argv is None else argv
    for fault in _unknown(_flag_keys(argv), "the command line", [flag.removeprefix("--") for flag in own_flags]):
        raise UserError(fault)
    path, unknown = config_file(argv) or default_config, []
    try:
        defaults = _read_yaml(path) if path else {}
        unknown = list(_unknown(_yaml_keys(defaults), str(path)))
        built = _built(parser, _as_flags(defaults) + argv)
    except UserError as fault:
        # whatever the command line says alone is its own fault
        return Reading(None, _built(parser, argv), [*unknown, str(fault)])
    config = Config(**{f.name: getattr(built, f.name) for f in fields(Config)})
    return Reading(config, built, [*unknown, *faults(config)])


def _built(parser: ArgumentParser, argv: list[str]) -> Namespace:
    try:
        return parser.instantiate_classes(parser.parse_args(argv))
    except ArgumentError as error:
        raise UserError(f"configuration: {' '.join(str(error).split())}") from None


def to_dict(config: Any) -> dict:
    """The configuration as nested plain dicts, in the order of its declaration."""
    return {f.name: to_dict(v) if is_dataclass(v := getattr(config, f.name)) else v for f in fields(config)}


def run(main: Callable[[], Any]) -> None:
    """Runs a script's main, as `leaving.run` does; what a model's adapter refuses is a user's mistake too."""
    leaving.run(main, _mistakes)


def _mistakes() -> tuple[type[Exception], ...]:
    # where no adapter was imported, none has refused anything, and importing one takes seconds
    adapters = sys.modules.get("model_adapters")
    return (UserError, adapters.AdapterError) if adapters else (UserError,)


def same_command(script: str, config: str | Path, argv: list[str] | None = None) -> str:
    """Another script with this configuration and the flags of this command line.

    Args:
        script: its path.
        config: the YAML in use.
        argv: the command line without the program; `sys.argv` if None.
    """
    words = sys.argv[1:] if argv is None else argv
    own = [
        place for place, word in enumerate(words) if word.startswith("--") and word[2:].split("=")[0] in known_keys()
    ]
    flags = [words[place : place + 1 + ("=" not in words[place])] for place in own]
    return shlex.join(["python", script, "--config", str(config), *(word for flag in flags for word in flag)])


def known_keys() -> list[str]:
    """Every `section.key`."""
    return [f"{section.name}.{key.name}" for section in fields(Config) for key in fields(section.type)]


def _unknown(keys: list[str], where: str, own: Sequence[str] = ()) -> Iterator[str]:
    sections = {f.name for f in fields(Config)}
    for key in keys:
        if key not in known_keys() and key not in sections and key not in own:
            near = difflib.get_close_matches(key, [*own, *known_keys()], n=1, cutoff=0.3)
            hint = f"; did you mean '{near[0]}'?" if near else "; --help lists the keys."
            yield f"{where}: unknown key '{key}'{hint}"


def _flag_keys(argv: list[str]) -> list[str]:
    own = ("config", "local_rank", "local-rank", "help", "h", "print_config")
    flags = [word.lstrip("-").split("=")[0] for word in argv if word.startswith("--")]
    return [flag for flag in flags if flag not in own]


def config_file(argv: list[str] | None = None) -> str | None:
    """The file that `--config` names, None without one."""
    argv = sys.argv[1:] if argv is None else argv
    values = [w.split("=", 1)[1] for w in argv if w.startswith("--config=")]
    values += [argv[i + 1] for i, w in enumerate(argv[:-1]) if w == "--config"]
    return values[-1] if values else None


def _read_yaml(path: str) -> dict:
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UserError(f"{path}: the configuration cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML ({_first_line(error)}).") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: a configuration is a mapping of sections, but this is a {type(content).__name__}.")
    # what a run's own config.yaml holds besides the configuration
    content.pop("provenance", None)
    for section, keys in content.items():
        if not isinstance(keys, dict | type(None)):
            raise UserError(f"{path}: section '{section}' must hold keys and values, but holds {keys!r}.")
    return content


def _yaml_keys(content: dict) -> list[str]:
    return [
        f"{section}.{key}" if key else str(section)
        for section, keys in content.items()
        for key in (keys if isinstance(keys, dict) else [None])
    ]


def _as_flags(content: dict) -> list[str]:
    """A YAML file's values of known keys as flags, which the command line's own flags follow and overrule."""
    known = set(known_keys())
    pairs = ((f"{section}.{key}", value) for section, keys in content.items() for key, value in (keys or {}).items())
    shown = ((name, value if isinstance(value, str) else json.dumps(value)) for name, value in pairs if name in known)
    return [f"--{name}={value}" for name, value in shown]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
