"""The specification of a preprocessing chain; `seizurekit.signal.preprocess` runs it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from seizurekit.errors import ConfigError
from seizurekit.recordings.channels import CANONICAL_CHANNELS

ARITHMETIC = 2
"""Counted up when the same specification gives other samples; part of every chain's hash."""


@dataclass(frozen=True)
class Chain:
    """From a recording to z-scored channels of one rate; the defaults are those of DESIGN.md.

    Attributes:
        channels: the electrodes, in their order.
        sampling_rate: Hz, of the output.
        band: edges of the Butterworth band-pass, Hz.
        order: its order.
        notch: Hz.
        notch_quality: the notch's frequency over its width at -3 dB.
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
        wrong = {
            f"channels: found {self.channels}, wanted distinct names of {', '.join(CANONICAL_CHANNELS)}": (
                not self.channels
                or len(set(self.channels)) < len(self.channels)
                or not set(self.channels) <= set(CANONICAL_CHANNELS)
            ),
            f"sampling_rate: found {self.sampling_rate}, wanted a whole number of Hz above 0": (
                self.sampling_rate != int(self.sampling_rate) or self.sampling_rate <= 0
            ),
            f"band: found {self.band}, wanted 0 < low < high < {nyquist:g} Hz": not 0 < low < high < nyquist,
            f"order: found {self.order}, wanted a whole number, 1 to 8": self.order not in range(1, 9),
            f"notch: found {self.notch}, wanted a frequency below {nyquist:g} Hz": not 0 < self.notch < nyquist,
            f"notch_quality: found {self.notch_quality}, wanted more than 0": not self.notch_quality > 0,
            f"clip: found {self.clip}, wanted more than 0": not self.clip > 0,
        }
        for message, is_wrong in wrong.items():
            if is_wrong:
                raise ConfigError(f"chain: {message}")

    def to_dict(self) -> dict[str, Any]:
        """The specification as JSON types."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Chain:
        """The chain that `to_dict` described.

        Raises:
            ConfigError: an unknown or missing field.
        """
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            raise ConfigError(f"chain: found the fields {sorted(values)}, wanted {sorted(known)}")
        arguments: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**arguments)

    @property
    def hash(self) -> str:
        """64 hexadecimal digits, the same for the same specification on every machine."""
        numbers = {name: _canonical(value) for name, value in self.to_dict().items()}
        text = json.dumps({"arithmetic": ARITHMETIC, **numbers}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, other: Chain) -> tuple[str, ...]:
        """What differs, as ``field: own value, other's value``."""
        pairs = ((field.name, getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return tuple(f"{name}: {own!r}, {others!r}" for name, own, others in pairs if own != others)


def _canonical(value: Any) -> Any:
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    return float(value) if isinstance(value, (int, float)) else value
