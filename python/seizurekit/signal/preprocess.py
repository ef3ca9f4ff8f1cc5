"""Runs a preprocessing chain on a recording: one fused pass in C++, then the z-score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seizurekit._core import signal as _signal
from seizurekit.errors import ChannelError, EdfError
from seizurekit.recordings.channels import CANONICAL_CHANNELS, ChannelSelection, select_channels
from seizurekit.recordings.edf import EdfFile
from seizurekit.signal.chain import Chain
from seizurekit.signal.filters import design_filters, design_resampler
from seizurekit.signal.interpolation import spline_weights

MAX_GAP_SECONDS = 24 * 3600
"""Largest total duration of the gaps in a recording. Without it, one wrong time in a file costs terabytes of zeros."""

_MICROVOLTS = {"uv": 1.0, "µv": 1.0, "μv": 1.0, "mv": 1e3, "v": 1e6, "nv": 1e-3}


@dataclass(frozen=True)
class Preprocessed:
    """A preprocessed recording.

    Attributes:
        signal: z-scored and clipped, float32 [channel, sample].
        mean: mean in µV before the z-score, float64 [channel].
        std: standard deviation in µV before the z-score, float64 [channel].
        interpolated: channels that were interpolated.
        reference: reference in the labels of the electrodes, see `ChannelSelection`.
    """

    signal: NDArray[np.float32]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    interpolated: tuple[str, ...]
    reference: str


@dataclass(frozen=True)
class PreprocessingPlan:
    """Channels that the chain reads from a file and the length of its output, known from the header.

    Attributes:
        channels: index in the file of each of `electrodes`.
        electrodes: electrodes to read.
        interpolated: channels to interpolate.
        reference: reference in the labels of the electrodes, see `ChannelSelection`.
        rate: sampling rate of the file in Hz.
        samples: number of samples of the output.
    """

    channels: tuple[int, ...]
    electrodes: tuple[str, ...]
    interpolated: tuple[str, ...]
    reference: str
    rate: Fraction
    samples: int


def plan_preprocessing(edf: EdfFile, chain: Chain | None = None) -> PreprocessingPlan:
    """Finds the electrodes of a file and the length of its preprocessed signal.

    Raises:
        ChannelError: an electrode other than Fz and Pz is missing, the electrodes have different sampling rates, or the
            rate is not in the range of 100 to 5000 Hz.
        EdfError: the gaps of a discontinuous recording are longer than `MAX_GAP_SECONDS`.
    """
    chain = chain or Chain()
    try:
        selection = select_channels([channel.label for channel in edf.channels])
        channels, electrodes = _find_electrodes(selection, chain)
        rates = {edf.exact_rate(channel) for channel in channels}
        if len(rates) > 1:
            each = ", ".join(f"{edf.channels[c].label} {float(edf.exact_rate(c)):g} Hz" for c in channels)
            raise ChannelError(f"sampling rates differ, expected one rate: {each}")
        rate = rates.pop()
        samples = output_samples(_length(edf, channels[0], rate), rate, chain)
    except ChannelError as error:
        raise ChannelError(f"{edf.path}: {error}") from None
    return PreprocessingPlan(
        channels, electrodes, _select_interpolated(selection, chain), selection.reference, rate, samples
    )


def output_samples(samples: int, rate: Fraction, chain: Chain) -> int:
    """Number of output samples for an input: ``floor(samples * sampling_rate / rate)``."""
    resampler = design_resampler(rate, chain.sampling_rate)
    return samples * resampler.up // resampler.down


def preprocess(edf: EdfFile, chain: Chain | None = None) -> NDArray[np.float32]:
    """Selects, interpolates, resamples, filters, z-scores and clips the electrodes of a recording.

    Args:
        edf: open file. Gaps of a discontinuous file are 0 in the result; the filters hold the last sample there.
        chain: parameters of the chain; default: `Chain()`.

    Returns:
        float32 [channel, sample] at `chain.sampling_rate`, within ±`chain.clip`. A channel with zero variance is 0. Any
        other variance is scaled to 1, however small it is: a constant other than 0 gives the transient of the filters.

    Raises:
        ChannelError: see `plan_preprocessing`.
        EdfError: the file cannot be read.
    """
    return preprocess_edf(edf, chain).signal


def preprocess_edf(edf: EdfFile, chain: Chain | None = None) -> Preprocessed:
    """Like `preprocess`, with the mean and standard deviation that recover microvolts from the result."""
    chain = chain or Chain()
    plan = plan_preprocessing(edf, chain)
    scales = [_microvolts_per_unit(edf.channels[channel].physical_dimension) for channel in plan.channels]
    core_plan = _core_plan(plan.electrodes, scales, plan.rate, chain)
    signal, mean, std = _signal.run_edf(core_plan, edf.core, list(plan.channels))
    return Preprocessed(signal, mean, std, plan.interpolated, plan.reference)


def preprocess_array(
    x: ArrayLike, rate: Fraction | float, labels: Sequence[str], chain: Chain | None = None
) -> Preprocessed:
    """Like `preprocess_edf`, for samples in memory.

    Args:
        x: samples in µV, [channel, sample]; NaN in gaps.
        rate: sampling rate in Hz; a float means the decimal fraction that it prints as.
        labels: label of each channel, as in an EDF file.
        chain: parameters of the chain; default: `Chain()`.

    Raises:
        ChannelError: see `plan_preprocessing`.
        ValueError: the shape of `x` does not fit the labels.
    """
    chain = chain or Chain()
    if not math.isfinite(rate):
        raise ChannelError(f"sampling rate is {rate} Hz, expected a finite number")
    exact = Fraction(rate) if isinstance(rate, (int, Fraction)) else Fraction(repr(float(rate)))
    rows = np.asarray(x, np.float32)
    if rows.ndim != 2 or len(rows) != len(labels):
        raise ValueError(f"shape of x is {rows.shape}, expected ({len(labels)}, samples), one row per label")
    selection = select_channels(labels)
    channels, electrodes = _find_electrodes(selection, chain)
    core_plan = _core_plan(electrodes, [1.0] * len(electrodes), exact, chain)
    signal, mean, std = _signal.run_array(core_plan, np.ascontiguousarray(rows[list(channels)]))
    return Preprocessed(signal, mean, std, _select_interpolated(selection, chain), selection.reference)


def quantize(signal: NDArray[np.float32], step: float) -> NDArray[np.int16]:
    """Fixed-point values of a signal: ``signal / step`` rounded, ties to even, saturated at ±32767; NaN becomes 0.

    Raises:
        ValueError: the step is not a finite number above 0.
    """
    if not (step > 0 and math.isfinite(step)):
        raise ValueError(f"step is {step}, expected a finite number above 0")
    return _signal.quantize(np.ascontiguousarray(signal, np.float32), 1 / step)


def _find_electrodes(selection: ChannelSelection, chain: Chain) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Indices in the file and names of the electrodes to read."""
    # Interpolation uses all electrodes of the file, including those that are not in the output of the chain.
    pairs = [
        (index, name)
        for index, name in zip(selection.indices, CANONICAL_CHANNELS, strict=True)
        if index is not None and (name in chain.channels or selection.interpolated)
    ]
    return tuple(index for index, _ in pairs), tuple(name for _, name in pairs)


def _length(edf: EdfFile, channel: int, rate: Fraction) -> int:
    samples = edf.samples(channel, gaps="nan")
    gaps = samples - edf.samples(channel, gaps="join")
    if gaps > MAX_GAP_SECONDS * rate:
        found = f"{float(gaps / rate) / 3600:.1f} h"
        raise EdfError(edf.path, None, "duration of the gaps", found, f"at most {MAX_GAP_SECONDS // 3600} h")
    return samples


def _select_interpolated(selection: ChannelSelection, chain: Chain) -> tuple[str, ...]:
    return tuple(name for name in selection.interpolated if name in chain.channels)


def _core_plan(electrodes: tuple[str, ...], scales: list[float], rate: Fraction, chain: Chain) -> _signal.ChainPlan:
    resampler = design_resampler(rate, chain.sampling_rate)
    missing = tuple(name for name in chain.channels if name not in electrodes)
    weights = dict(zip(missing, spline_weights(missing, electrodes) if missing else [], strict=True))
    return _signal.ChainPlan(
        scales=scales,
        electrode_of=[electrodes.index(name) if name in electrodes else -1 for name in chain.channels],
        weights=[weights[name].tolist() if name in weights else [] for name in chain.channels],
        factors=(resampler.up, resampler.down),
        phases=resampler.phases,
        table=resampler.table,
        sections=design_filters(chain).tolist(),
        clip=chain.clip,
    )


def _microvolts_per_unit(dimension: str) -> float:
    """Factor to µV; 1 for an unknown unit."""
    return _MICROVOLTS.get(dimension.strip().lower(), 1.0)
