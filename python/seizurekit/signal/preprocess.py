"""Runs a preprocessing chain over a recording: one fused pass in C++, and the z-score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seizurekit._core import signal as _signal
from seizurekit.errors import ChannelError, EdfError
from seizurekit.recordings.channels import CANONICAL_CHANNELS, ChannelSelection, select_channels
from seizurekit.recordings.edf import EdfFile
from seizurekit.signal.chain import Chain
from seizurekit.signal.filters import polyphase, sections
from seizurekit.signal.interpolation import spline_weights

LONGEST_GAPS = 24 * 3600
"""s; what the gaps of a recording may last together. One wrong time in a file would else cost terabytes of zeros."""

_MICROVOLTS = {"uv": 1.0, "µv": 1.0, "μv": 1.0, "mv": 1e3, "v": 1e6, "nv": 1e-3}


@dataclass(frozen=True)
class Preprocessed:
    """A preprocessed recording.

    Attributes:
        signal: float32 [channel, sample], z-scored and clipped.
        mean: float64 [channel], µV before the z-score.
        std: float64 [channel], µV.
        interpolated: channels that the recording lacks.
        reference: what the electrodes are measured against, by their labels.
    """

    signal: NDArray[np.float32]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    interpolated: tuple[str, ...]
    reference: str


@dataclass(frozen=True)
class PreprocessingPlan:
    """Where a recording's electrodes are, and what the chain will make of it; known from the header alone.

    Attributes:
        channels: positions in the file of the electrodes, in the order of `electrodes`.
        electrodes: those that the file has.
        interpolated: those that it lacks.
        reference: what they are measured against, by their labels.
        rate: Hz.
        samples: number of samples of the output.
    """

    channels: tuple[int, ...]
    electrodes: tuple[str, ...]
    interpolated: tuple[str, ...]
    reference: str
    rate: Fraction
    samples: int


def plan_preprocessing(edf: EdfFile, chain: Chain | None = None) -> PreprocessingPlan:
    """Finds a file's electrodes and the length of its preprocessed signal.

    Raises:
        ChannelError: an electrode other than Fz and Pz is missing, electrodes differ in their sampling rates, or the
            rate is not one of 100 to 5000 Hz.
        EdfError: the gaps of a discontinuous recording last longer than `LONGEST_GAPS`.
    """
    chain = chain or Chain()
    try:
        selection = select_channels([channel.label for channel in edf.channels])
        channels, electrodes = _present(selection, chain)
        rates = {edf.exact_rate(channel) for channel in channels}
        if len(rates) > 1:
            each = ", ".join(f"{edf.channels[c].label} {float(edf.exact_rate(c)):g} Hz" for c in channels)
            raise ChannelError(f"electrodes of several sampling rates, wanted one: {each}")
        rate = rates.pop()
        samples = output_samples(_length(edf, channels[0], rate), rate, chain)
    except ChannelError as error:
        raise ChannelError(f"{edf.path}: {error}") from None
    return PreprocessingPlan(channels, electrodes, _interpolated(selection, chain), selection.reference, rate, samples)


def output_samples(samples: int, rate: Fraction, chain: Chain) -> int:
    """Samples that the chain makes of so many at a rate: ``floor(samples * sampling_rate / rate)``."""
    resampler = polyphase(rate, chain.sampling_rate)
    return samples * resampler.up // resampler.down


def preprocess(edf: EdfFile, chain: Chain | None = None) -> NDArray[np.float32]:
    """A recording's electrodes, interpolated, resampled, filtered, z-scored and clipped.

    Args:
        edf: an open file. Gaps of a discontinuous one are 0 in the result; the filters see the last sample held.
        chain: what to do; DESIGN.md's chain by default.

    Returns:
        float32 [channel, sample] at `chain.sampling_rate`, within ±`chain.clip`. A channel without variance is 0;
        however small its variance is, it is scaled by it: a constant other than 0 gives the filters' transient.

    Raises:
        ChannelError: see `plan_preprocessing`.
        EdfError: the file cannot be read.
    """
    return preprocess_edf(edf, chain).signal


def preprocess_edf(edf: EdfFile, chain: Chain | None = None) -> Preprocessed:
    """`preprocess`, with each channel's mean and standard deviation, from which microvolts can be had back."""
    chain = chain or Chain()
    found = plan_preprocessing(edf, chain)
    scales = [_to_microvolts(edf.channels[channel].physical_dimension) for channel in found.channels]
    plan = _plan(found.electrodes, scales, found.rate, chain)
    signal, mean, std = _signal.run_edf(plan, edf.core, list(found.channels))
    return Preprocessed(signal, mean, std, found.interpolated, found.reference)


def preprocess_array(
    x: ArrayLike, rate: Fraction | float, labels: Sequence[str], chain: Chain | None = None
) -> Preprocessed:
    """The same for samples in memory.

    Args:
        x: [channel, sample] in µV; NaN where there is no sample.
        rate: Hz; a float is taken for the decimal fraction that it prints as.
        labels: of the channels, as an EDF file gives them.
        chain: what to do; DESIGN.md's chain by default.

    Raises:
        ChannelError: see `plan_preprocessing`.
    """
    chain = chain or Chain()
    if not math.isfinite(rate):
        raise ChannelError(f"sampling rate: found {rate} Hz, wanted a number")
    exact = Fraction(rate) if isinstance(rate, (int, Fraction)) else Fraction(repr(float(rate)))
    rows = np.asarray(x, np.float32)
    if rows.ndim != 2 or len(rows) != len(labels):
        raise ValueError(f"x: found shape {rows.shape}, wanted [{len(labels)}, sample], a row a label")
    selection = select_channels(labels)
    channels, electrodes = _present(selection, chain)
    plan = _plan(electrodes, [1.0] * len(electrodes), exact, chain)
    signal, mean, std = _signal.run_array(plan, np.ascontiguousarray(rows[list(channels)]))
    return Preprocessed(signal, mean, std, _interpolated(selection, chain), selection.reference)


def quantize(signal: NDArray[np.float32], step: float) -> NDArray[np.int16]:
    """Fixed point: the nearest integers to ``signal / step``, ties to even, saturated at ±32767; NaN is 0.

    Raises:
        ValueError: the step is not above 0.
    """
    if not (step > 0 and math.isfinite(step)):
        raise ValueError(f"step: found {step}, wanted a number above 0")
    return _signal.quantize(np.ascontiguousarray(signal, np.float32), 1 / step)


def _present(selection: ChannelSelection, chain: Chain) -> tuple[tuple[int, ...], tuple[str, ...]]:
    # Every electrode that the file has takes part in interpolation, also those that are not in the chain's output.
    pairs = [
        (position, name)
        for position, name in zip(selection.positions, CANONICAL_CHANNELS, strict=True)
        if position is not None and (name in chain.channels or selection.interpolated)
    ]
    return tuple(position for position, _ in pairs), tuple(name for _, name in pairs)


def _length(edf: EdfFile, channel: int, rate: Fraction) -> int:
    samples = edf.samples(channel, gaps="nan")
    gaps = samples - edf.samples(channel, gaps="join")
    if gaps > LONGEST_GAPS * rate:
        hours = float(gaps / rate) / 3600
        raise EdfError(
            edf.path, None, "gaps between data records", f"{hours:.1f} h", f"{LONGEST_GAPS // 3600} h at most"
        )
    return samples


def _interpolated(selection: ChannelSelection, chain: Chain) -> tuple[str, ...]:
    return tuple(name for name in selection.interpolated if name in chain.channels)


def _plan(electrodes: tuple[str, ...], scales: list[float], rate: Fraction, chain: Chain) -> Any:
    resampler = polyphase(rate, chain.sampling_rate)
    missing = tuple(name for name in chain.channels if name not in electrodes)
    weights = dict(zip(missing, spline_weights(missing, electrodes) if missing else [], strict=True))
    return _signal.ChainPlan(
        scales=scales,
        electrode_of=[electrodes.index(name) if name in electrodes else -1 for name in chain.channels],
        weights=[weights[name].tolist() if name in weights else [] for name in chain.channels],
        factors=(resampler.up, resampler.down),
        phases=resampler.phases,
        table=resampler.table,
        sections=sections(chain).tolist(),
        clip=chain.clip,
    )


def _to_microvolts(dimension: str) -> float:
    return _MICROVOLTS.get(dimension.strip().lower(), 1.0)
