"""The annotation files beside a synthetic recording, as TUSZ writes them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from seizurekit.recordings.synthetic.plan import RecordingPlan
from seizurekit.recordings.synthetic.scalp import ELECTRODES

Span = tuple[float, float, str]


def encode_csv_bi(plan: RecordingPlan) -> bytes:
    """The ``.csv_bi`` file: one ``TERM`` row for every seizure and every stretch between them."""
    spans = [(seizure.start, seizure.stop, "seiz") for seizure in plan.seizures]
    return _encode(plan, [("TERM", span) for span in _with_background(spans, plan.seconds)])


def encode_csv(plan: RecordingPlan) -> bytes:
    """The ``.csv`` file: the same for each bipolar channel, which a seizure enters when it reaches its electrodes."""
    onsets = [seizure.onsets() for seizure in plan.seizures]
    rows: list[tuple[str, Span]] = []
    for first, second in plan.session.bipolar_channels():
        spans: list[Span] = []
        for seizure, joins in zip(plan.seizures, onsets, strict=True):
            at = [joins[ELECTRODES.index(electrode)] for electrode in (first, second)]
            if not np.all(np.isnan(at)):
                spans.append((float(np.nanmin(at)), seizure.stop, seizure.label))
        rows += [(f"{first}-{second}", span) for span in _with_background(spans, plan.seconds)]
    return _encode(plan, rows)


def _with_background(spans: list[Span], seconds: int) -> list[Span]:
    edges = [0.0, *(edge for start, stop, _ in spans for edge in (start, stop)), float(seconds)]
    between = [(start, stop, "bckg") for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    return sorted(between + spans)


def _encode(plan: RecordingPlan, rows: Iterable[tuple[str, Span]]) -> bytes:
    lines = [
        "# version = csv_v1.0.0",
        f"# bname = {plan.stem}",
        f"# duration = {plan.seconds:.2f} secs",
        "# montage_file = $NEDC_NFC/lib/nedc_eas_default_montage.txt",
        "#",
        "channel,start_time,stop_time,label,confidence",
    ]
    lines += [f"{channel},{start:.4f},{stop:.4f},{label},1.0000" for channel, (start, stop, label) in rows]
    return ("\n".join(lines) + "\n").encode()
