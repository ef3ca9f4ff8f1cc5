"""Parameters of a preprocessing chain; `seizurekit.signal.preprocess` runs it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from seizurekit.errors import ConfigError
from seizurekit.recordings.channels import CANONICAL_CHANNELS

CHAIN_VERSION = 2
"""Part of every chain's hash. Increase it when the same parameters give different samples."""


@dataclass(frozen=True)
class Chain:
    """Parameters of the preprocessing chain.

    Attributes:
        channels: electrodes of the output, in order.
        sampling_rate: sampling rate of the output in Hz.
        band: edges of the Butterworth band-pass in Hz.
        order: order of the band-pass.
        notch: frequency of the notch filter in Hz.
        notch_quality: notch frequency over its width at -3 dB.
        clip: largest magnitude of the output, in standard deviations.
    """

    channels: tuple[str, ...] = CANONICAL_CHANNELS
    sampling_rate: int = 256
    band: tuple[float, float] = (0.5, 120.0)
    order: int = 3
    notch: float = 60.0
    notch_quality: float = 30.0
    clip: float = 10.0

    def __post_init__(self) -> None:
        low, high = self.band
        nyquist = self.sampling_rate / 2
        distinct = set(self.channels)
        self._check(
            "channels",
            0 < len(self.channels) == len(distinct) and distinct <= set(CANONICAL_CHANNELS),
            f"distinct names from {', '.join(CANONICAL_CHANNELS)}",
        )
        is_whole = self.sampling_rate == int(self.sampling_rate)
        self._check("sampling_rate", is_whole and self.sampling_rate > 0, "a whole number of Hz above 0")
        self._check("band", 0 < low < high < nyquist, f"0 < low < high < {nyquist:g} Hz")
        self._check("order", self.order in range(1, 9), "a whole number from 1 to 8")
        self._check("notch", 0 < self.notch < nyquist, f"a frequency above 0 and below {nyquist:g} Hz")
        self._check("notch_quality", self.notch_quality > 0, "a number above 0")
        self._check("clip", self.clip > 0, "a number above 0")

    def _check(self, field: str, is_valid: bool, expected: str) -> None:
        if not is_valid:
            raise ConfigError(f"chain: {field} is {getattr(self, field)}, expected {expected}")

    def to_dict(self) -> dict[str, Any]:
        """Parameters as JSON types."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Chain:
        """Chain with the parameters that `to_dict` returned.

        Raises:
            ConfigError: a field is unknown or missing.
        """
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            raise ConfigError(f"chain: fields are {sorted(values)}, expected {sorted(known)}")
        arguments: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**arguments)

    @property
    def hash(self) -> str:
        """Hash of the parameters, 64 hexadecimal digits, equal on every machine."""
        parameters = {name: _to_floats(value) for name, value in self.to_dict().items()}
        text = json.dumps({"arithmetic": CHAIN_VERSION, **parameters}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, other: Chain) -> tuple[str, ...]:
        """Parameters that differ, as ``field: own value, other's value``."""
        pairs = ((field.name, getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return tuple(f"{name}: {own!r}, {others!r}" for name, own, others in pairs if own != others)


def _to_floats(value: Any) -> Any:
    """The value with all numbers as floats, so that 60 and 60.0 have the same hash."""
    if isinstance(value, list):
        return [_to_floats(each) for each in value]
    return float(value) if isinstance(value, (int, float)) else value
