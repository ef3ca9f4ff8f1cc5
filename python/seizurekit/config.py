"""What a configuration may say: one frozen model a section, read from YAML, with overrides from the command line.

A key that is not here is refused; a key that is here is read by something.
"""

from __future__ import annotations

import difflib
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from seizurekit.errors import ConfigError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Features = Annotated[int, Field(ge=1, le=1024)]


class Section(BaseModel):
    """What all sections share: unknown keys are errors, types are not guessed, nothing changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CacheConfig(Section):
    """Where the store is, and how windows are cut from it.

    Attributes:
        dir: folder or URL of the splits ``train`` and ``dev``.
        local_dir: of a store at a URL: keep whole shards in this folder, so that they are read locally the next time.
        local_dir_gb: most that is kept there, GB.
        window: length of a training window in seconds.
        stride: seconds from one training window's start to the next one's.
    """

    dir: Annotated[str, Field(min_length=1)]
    local_dir: Annotated[str, Field(min_length=1)] | None = None
    local_dir_gb: Positive = 100.0
    window: Annotated[float, Field(ge=1, le=600)] = 60.0
    stride: Annotated[float, Field(ge=0.1, le=600)] = 10.0


class LoaderConfig(Section):
    """How batches are made.

    Attributes:
        kind: ``threads``: WindowLoader, which reads ahead in threads of the training process; ``torch``: torch's
            DataLoader and its worker processes.
        batch_size: windows a batch.
        prefetch: of ``threads``: batches that are read ahead.
        shuffle: of ``threads``: ``window``, or ``block`` for an object store that is read without `cache.local_dir`.
        on_error: of ``threads``: ``raise``, or ``skip`` windows that cannot be read.
        num_workers: of ``torch``: worker processes; 0 for the training process itself, and then the next four change
            nothing.
        pin_memory: of ``torch``: hand out pinned memory where there is a GPU.
        persistent_workers: of ``torch``: keep the workers from one epoch to the next.
        prefetch_factor: of ``torch``: batches that each worker reads ahead.
        timeout_s: of ``torch``: seconds after which a batch that does not come has the workers ended, and loading go on
            without them.
    """

    kind: Literal["threads", "torch"] = "threads"
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    prefetch: Annotated[int, Field(ge=1, le=256)] = 4
    shuffle: Literal["window", "block"] = "window"
    on_error: Literal["raise", "skip"] = "raise"
    num_workers: Annotated[int, Field(ge=0, le=256)] = 4
    pin_memory: bool = True
    persistent_workers: bool = True
    prefetch_factor: Annotated[int, Field(ge=1, le=64)] = 2
    timeout_s: Annotated[float, Field(gt=0, le=threading.TIMEOUT_MAX)] = 120.0

    @model_validator(mode="after")
    def _only_threads_can(self) -> LoaderConfig:
        for key, found, wanted in (("shuffle", self.shuffle, "window"), ("on_error", self.on_error, "raise")):
            if self.kind == "torch" and found != wanted:
                raise ValueError(
                    f"loader.{key}: found {found} with loader.kind torch, wanted {wanted}, or kind threads"
                )
        return self


class ModelConfig(Section):
    """The detector, a U-Net with Mamba-2 in its middle.

    Attributes:
        size: ``tiny``, ``small`` or ``base``; docs/models.md has their parameters and speed.
        widths: features at 64, 32 and 16 Hz; null takes the size's, as with the next four.
        blocks: residual blocks a stage of convolutions.
        layers: bidirectional Mamba-2 blocks.
        headdim: channels a head of Mamba-2; twice the last width must be a multiple of it.
        d_state: states a channel of Mamba-2.
        d_conv: taps of Mamba-2's convolutions; there are kernels for 2, 3 and 4, anything else becomes 4.
        dropout: probability that a feature of a residual branch is dropped in training.
    """

    size: Literal["tiny", "small", "base"] = "tiny"
    widths: Annotated[tuple[Features, Features, Features], Field(strict=False)] | None = None
    blocks: Annotated[int, Field(ge=1, le=16)] | None = None
    layers: Annotated[int, Field(ge=1, le=64)] | None = None
    headdim: Annotated[int, Field(ge=1, le=256)] | None = None
    d_state: Annotated[int, Field(ge=1, le=256)] | None = None
    d_conv: int = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1

    @field_validator("d_conv")
    @classmethod
    def _of_a_kernel(cls, d_conv: int) -> int:
        if d_conv in (2, 3, 4):
            return d_conv
        warnings.warn(
            f"model.d_conv: found {d_conv}, wanted 2, 3 or 4, which there are kernels for; 4 is taken", stacklevel=2
        )
        return 4


class TrainingConfig(Section):
    """The optimiser, AdamW with a linear warm-up and a cosine decay to 0.

    Attributes:
        epochs: passes over the balanced set of windows.
        lr: highest learning rate, reached at the end of the warm-up.
        weight_decay: AdamW's, of weights and not of biases or norms.
        warmup: share of all steps that the warm-up takes.
        grad_clip: largest norm of the gradient of all parameters together.
        device: ``auto`` (an accelerator where there is one), ``cpu``, ``cuda``, ``cuda:1``, …
    """

    epochs: Count = 10
    lr: Positive = 2e-3
    weight_decay: NotNegative = 0.01
    warmup: Share = 0.1
    grad_clip: Positive = 1.0
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$")] = "auto"


class DetectionConfig(Section):
    """From the probability of a seizure at every sample to events.

    Attributes:
        smoothing: seconds over which the probability is averaged first; 0 for not at all.
        threshold: an event's probability rises above this; null has it chosen on ``dev`` when training ends.
        max_fa_per_24h: false alarms per 24 h that the chosen threshold may make on ``dev``.
        hysteresis: an event lasts while its probability is above this share of the threshold.
        merge_gap: events less than this many seconds apart are one.
        min_duration: shorter events, in seconds, are dropped, after merging.
    """

    smoothing: Annotated[float, Field(ge=0, le=60)] = 2.0
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_fa_per_24h: NotNegative = 10.0
    hysteresis: Annotated[float, Field(gt=0, le=1)] = 0.5
    merge_gap: NotNegative = 5.0
    min_duration: NotNegative = 4.0


class Config(Section):
    """A whole configuration; `name` is also that of the folder ``runs/<name>``, `seed` fixes every random choice."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    cache: CacheConfig
    loader: LoaderConfig = LoaderConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    detection: DetectionConfig = DetectionConfig()

    @model_validator(mode="after")
    def _stride_within_window(self) -> Config:
        if self.cache.stride > self.cache.window:
            raise ValueError(
                f"cache.stride: found {self.cache.stride:g}, wanted at most cache.window {self.cache.window:g}"
            )
        return self


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
