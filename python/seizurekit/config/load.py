"""A configuration read from YAML, with overrides from the command line, and what is wrong with it in one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from seizurekit.config.sections import Config, Section
from seizurekit.errors import ConfigError


def load_config(path: str | PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Reads a YAML file, puts ``section.key=value`` overrides over it, and checks the result.

    Args:
        path: the file.
        overrides: such as ``training.lr=1e-3``; the value is YAML.

    Raises:
        ConfigError: not YAML, an unknown key (with the nearest right one), a wrong type or a value out of range; one
            line with the file, the line where there is one, the key, what was found and what was wanted.
        OSError: the file cannot be read.
    """
    path = Path(path)
    data, lines = _parse(path)
    origin = {key: f"{path}: line {line}" for key, line in lines.items()}
    for override in overrides:
        key, value = _parse_override(override)
        _put(data, key, value, override)
        section = key.partition(".")[0]
        origin[key] = f"override {override}"
        origin.setdefault(section, origin[key])
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_explained(error, origin, str(path))) from None


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but 1e-3 is a number and a key may stand only once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key.value} stands twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def _parse(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The file's mapping, and the line of each dotted key."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        node = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: found a byte at {error.start} that is not UTF-8, wanted YAML") from None
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise ConfigError(f"{path}:{line} not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if data is None:
        raise ConfigError(f"{path}: found nothing, wanted the keys {', '.join(Config.model_fields)}")
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: found {type(data).__name__}, wanted a mapping of {', '.join(Config.model_fields)}")
    return data, dict(_key_lines(node))


def _key_lines(node: yaml.Node | None, above: str = "") -> Iterator[tuple[str, int]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        name = f"{above}{key.value}"
        yield name, key.start_mark.line + 1
        yield from _key_lines(value, f"{name}.")


def _parse_override(override: str) -> tuple[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"override {override!r}: wanted section.key=value, e.g. training.lr=1e-3")
    try:
        return key, yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError):
        raise ConfigError(f"override {override!r}: found {text!r}, wanted a value in YAML") from None


def _put(data: dict[str, Any], key: str, value: Any, override: str) -> None:
    *sections, last = key.split(".")
    place = data
    for section in sections:
        inner = place.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"override {override!r}: {section} is no section but {inner!r}")
        place = inner
    place[last] = value


def _explained(error: ValidationError, origin: Mapping[str, str], path: str) -> str:
    """One line about the first fault; misspelt keys come before the missing ones that follow from them."""
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    fault = faults[0]
    names = [str(part) for part in fault["loc"]]
    key = ".".join(names)
    place = origin.get(key) or origin.get(".".join(names[:2])) or origin.get(names[0] if names else "") or path
    others = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    if fault["type"] == "extra_forbidden":
        return f"{place}: unknown key {key}{_nearest(names)}{others}"
    if fault["type"] == "missing":
        return f"{path}: {key}: found nothing, wanted a value{others}"
    if fault["type"] == "value_error":
        return f"{path}: {fault['ctx']['error']}{others}"
    return f"{place}: {key}: found {fault['input']!r:.100}, {_wanted(fault['msg'])}{others}"


def _wanted(message: str) -> str:
    """Pydantic's sentence about what it would have taken, in the words of the other errors."""
    if " or instance of " in message:
        return "wanted a section of keys"
    return re.sub(
        r"^(?:Input|String|Tuple|List|Value) should (be )?", lambda m: "wanted " if m[1] else "must ", message
    )


def _known_keys() -> list[str]:
    keys = []
    for name, field in Config.model_fields.items():
        keys.append(name)
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            keys += [f"{name}.{key}" for key in section.model_fields]
    return keys


def _nearest(names: Sequence[str]) -> str:
    """The nearest right key: first among the same section's, then by the key's own name among all."""
    known = _known_keys()
    section = ".".join(names[:-1])
    siblings = [key.rpartition(".")[2] for key in known if key.rpartition(".")[0] == section]
    close = difflib.get_close_matches(names[-1].lower(), siblings, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {'.'.join([*names[:-1], close[0]])}?"
    elsewhere = [key for key in known if key.rpartition(".")[2] == names[-1]]
    if elsewhere:
        return f"; did you mean {elsewhere[0]}?"
    return f"; known are {', '.join(siblings)}" if siblings else ""
