"""Reads a configuration from YAML and command-line overrides; an error in it becomes one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from seizurekit.config.sections import Config, Section
from seizurekit.errors import ConfigError

_EXPECTED = {
    "bool_type": "true or false",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_type": "an integer",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "string_type": "a string",
    "string_unicode": "a string of valid Unicode",
    "string_too_short": "a string of {min_length} or more characters",
    "string_too_long": "a string of at most {max_length} characters",
    "string_pattern_mismatch": "a string that matches {pattern}",
    "literal_error": "{expected}",
    "tuple_type": "a list",
    "too_short": "a list of {min_length} or more values",
    "too_long": "a list of at most {max_length} values",
    "model_type": "a section of keys",
}
"""The expected value for each error type of pydantic that the types in `Config` cause."""

_UNKNOWN_KEY = ("extra_forbidden", "invalid_key")


def load_config(path: str | PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """The configuration in a YAML file, with ``section.key=value`` overrides applied.

    Args:
        path: the file.
        overrides: such as ``training.lr=1e-3``; the value is parsed as YAML.

    Raises:
        ConfigError: the file is not YAML, a key is unknown, or a value has the wrong type or is out of range. The
            message is one line with file, line or override, key, value and expected value, or the closest known key.
        OSError: the file cannot be read.
    """
    path = Path(path)
    data, lines = _parse(path)
    origin = {key: f"{path}: line {line}" for key, line in lines.items()}
    for override in overrides:
        key, value = _parse_override(override)
        _apply(data, key, value, override)
        section = key.partition(".")[0]
        origin[key] = f"override {override}"
        origin.setdefault(section, origin[key])
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_describe(error.errors(), origin, str(path))) from None


class _Loader(yaml.SafeLoader):
    """PyYAML's YAML 1.1, except that 1e-3 is a float and a duplicate key is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.MarkedYAMLError(problem=f"duplicate key {key.value}", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def _parse(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The file's mapping, and the line number of each dotted key."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        node = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start}: not UTF-8, expected a YAML file") from None
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise ConfigError(f"{path}:{line} not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    keys = ", ".join(Config.model_fields)
    if data is None:
        raise ConfigError(f"{path}: empty, expected the keys {keys}")
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: content is a {type(data).__name__}, expected a mapping with the keys {keys}")
    return data, dict(_key_lines(node))


def _key_lines(node: yaml.Node | None, prefix: str = "") -> Iterator[tuple[str, int]]:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        yield name, key.start_mark.line + 1
        yield from _key_lines(value, f"{name}.")


def _parse_override(override: str) -> tuple[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"override {override!r}: expected section.key=value, e.g. training.lr=1e-3")
    try:
        return key, yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError):
        raise ConfigError(f"override {override!r}: value is {text!r}, expected YAML") from None


def _apply(data: dict[str, Any], key: str, value: Any, override: str) -> None:
    *sections, last = key.split(".")
    target = data
    for section in sections:
        inner = target.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"override {override!r}: {section} is {inner!r}, expected a section of keys")
        target = inner
    target[last] = value


def _describe(errors: Sequence[ErrorDetails], origin: Mapping[str, str], path: str) -> str:
    """One line about the first error. An unknown key comes before the missing keys that it may cause."""
    by_key: dict[str, list[ErrorDetails]] = {}
    for error in sorted(errors, key=lambda error: error["type"] not in _UNKNOWN_KEY):
        by_key.setdefault(_key(error), []).append(error)
    key, causes = next(iter(by_key.items()))
    names = key.split(".")
    where = origin.get(key) or origin.get(".".join(names[:2])) or origin.get(names[0]) or path
    more = f" (and {len(by_key) - 1} more)" if len(by_key) > 1 else ""
    return f"{where}: {_what(key, causes)}{more}"


def _key(error: ErrorDetails) -> str:
    """The dotted key, with the index of a list's element, without the name of a member of a union."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"]).split()[0]  # messages of the validators in `sections` start with the key
    location = error["loc"]
    return ".".join(str(part) for depth, part in enumerate(location) if depth < 2 or isinstance(part, int))


def _what(key: str, causes: Sequence[ErrorDetails]) -> str:
    cause = causes[0]
    if cause["type"] in _UNKNOWN_KEY:
        return f"unknown key {key}{_suggestion(key.split('.'))}"
    if cause["type"] == "missing":
        return f"{key} is missing"
    if cause["type"] == "value_error":
        return str(cause["ctx"]["error"])
    return f"{key} is {cause['input']!r:.100}, expected {' or '.join(map(_expected, causes))}"


def _expected(cause: ErrorDetails) -> str:
    template = _EXPECTED.get(cause["type"])
    return cause["msg"] if template is None else template.format(**cause.get("ctx", {}))


def _suggestion(names: Sequence[str]) -> str:
    """The closest known key: in the same section by similarity, else the same name in another section."""
    known = _known_keys()
    section = ".".join(names[:-1])
    siblings = [key.rpartition(".")[2] for key in known if key.rpartition(".")[0] == section]
    close = difflib.get_close_matches(names[-1].lower(), siblings, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {'.'.join([*names[:-1], close[0]])}?"
    elsewhere = [key for key in known if key.rpartition(".")[2] == names[-1]]
    if elsewhere:
        return f"; did you mean {elsewhere[0]}?"
    return f"; known keys are {', '.join(siblings)}" if siblings else ""


def _known_keys() -> list[str]:
    keys = []
    for name, field in Config.model_fields.items():
        keys.append(name)
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            keys += [f"{name}.{key}" for key in section.model_fields]
    return keys
