"""Command lines of the scripts: YAML, flags, help, and errors in one sentence."""

import difflib
import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace

from vlrlcd.config import Config
from vlrlcd.config_check import check
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
    parser = ArgumentParser(description=description, exit_on_error=False)
    for flag, arguments in own_flags.items():
        parser.add_argument(flag, **arguments)
    parser.add_argument("--config", type=str, default=default_config, help="YAML file with any of the keys below")
    parser.add_argument("--local_rank", type=int, default=0, help="given by the launcher, ignored")
    parser.add_class_arguments(Config, None)
    argv = sys.argv[1:] if argv is None else argv
    _refuse_unknown(_flag_keys(argv), "the command line", [flag.removeprefix("--") for flag in own_flags])
    path = config_file(argv) or default_config
    defaults = _read_yaml(path) if path else {}
    _refuse_unknown(_yaml_keys(defaults), str(path))
    try:
        built = parser.instantiate_classes(parser.parse_args(_as_flags(defaults) + argv))
    except ArgumentError as error:
        raise UserError(f"configuration: {' '.join(str(error).split())}") from None
    config = Config(**{f.name: getattr(built, f.name) for f in fields(Config)})
    check(config)
    return config, built


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


def _refuse_unknown(keys: list[str], where: str, own: Sequence[str] = ()) -> None:
    sections = {f.name for f in fields(Config)}
    for key in keys:
        if key not in known_keys() and key not in sections and key not in own:
            near = difflib.get_close_matches(key, [*own, *known_keys()], n=1, cutoff=0.3)
            hint = f"; did you mean '{near[0]}'?" if near else "; --help lists the keys."
            raise UserError(f"{where}: unknown key '{key}'{hint}")


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
    except yaml.YAMLError as error:
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
    """A YAML file's values as flags, which the command line's own flags follow and overrule."""
    pairs = ((f"{section}.{key}", value) for section, keys in content.items() for key, value in (keys or {}).items())
    return [f"--{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in pairs]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
