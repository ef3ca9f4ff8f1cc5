"""Annotation files of a synthetic recording, in TUSZ's format."""

from __future__ import annotations

import numpy as np

from seizurekit.recordings.annotations import COLUMNS, Event
from seizurekit.recordings.annotations_write import MONTAGE_FILE
from seizurekit.recordings.synthetic.plan import RecordingPlan
from seizurekit.recordings.synthetic.scalp import ELECTRODES


def seizure_events(plan: RecordingPlan) -> tuple[Event, ...]:
    """Seizures of a recording for its ``.csv_bi`` file."""
    return tuple(Event(seizure.start, seizure.stop, "seiz") for seizure in plan.seizures)


def encode_csv(plan: RecordingPlan) -> bytes:
    """Bytes of the ``.csv`` file: seizures and background of each bipolar channel.

    A seizure starts in a channel when it reaches one of its two electrodes. Its label is its type.
    """
    lines = [
        "# version = csv_v1.0.0",
        f"# bname = {plan.stem}",
        f"# duration = {plan.seconds:.4f} secs",
        f"# montage_file = {MONTAGE_FILE}",
        "#",
        ",".join(COLUMNS),
    ]
    lines += [
        f"{first}-{second},{event.start:.4f},{event.stop:.4f},{event.label},1.0000"
        for first, second in plan.session.bipolar_channels()
        for event in _channel_events(plan, first, second)
    ]
    return ("\n".join(lines) + "\n").encode()


def _channel_events(plan: RecordingPlan, *electrodes: str) -> list[Event]:
    events, end = [], 0.0
    for seizure in plan.seizures:
        onsets = seizure.onsets()[[ELECTRODES.index(electrode) for electrode in electrodes]]
        if np.isnan(onsets).all():
            continue
        start = float(np.nanmin(onsets))
        events += [Event(end, start, "bckg"), Event(start, seizure.stop, seizure.label)]
        end = seizure.stop
    return [*events, Event(end, float(plan.seconds), "bckg")]
