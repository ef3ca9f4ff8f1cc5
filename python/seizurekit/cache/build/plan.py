"""The plan of a split's store, made from headers alone: where each recording goes, before any signal is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seizurekit.cache.layout import CHUNK_SECONDS, CHUNKS_PER_SHARD, FAILED, FORMAT_VERSION, OK, STEP
from seizurekit.errors import ChannelError, EdfError
from seizurekit.recordings.corpus import Corpus, RecordingFile
from seizurekit.recordings.edf import open_edf
from seizurekit.signal.chain import Chain
from seizurekit.signal.preprocess import plan_preprocessing

_HEADER_THREADS = 8


@dataclass(frozen=True)
class PlannedRecording:
    """A recording's columns that are known from its header, and its position in the store.

    `samples` is 0 if the header says that the recording cannot be read, for the reason `reason`.
    """

    id: str
    patient: str
    session: str
    montage: str
    source: str
    annotations: str
    bytes: int
    source_rate: float
    first_sample: int
    samples: int
    status: str
    reason: str


@dataclass(frozen=True)
class Unit:
    """Shards that one worker writes, and the recordings in them. No recording is in two units."""

    index: int
    first_shard: int
    shards: int
    recordings: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """The position of each recording, and everything else that the bytes of a split's store depend on."""

    split: str
    chain: Chain
    step: float
    recordings: tuple[PlannedRecording, ...]

    @property
    def chunk(self) -> int:
        """Samples of a channel in a chunk."""
        return CHUNK_SECONDS * self.chain.sampling_rate

    @property
    def samples(self) -> int:
        """Samples of a channel in the whole `signal` array, which ends with the last recording's last chunk."""
        ends = [_chunks(r.samples, self.chunk) * self.chunk + r.first_sample for r in self.recordings if r.samples]
        return max(ends, default=self.chunk)

    @property
    def hash(self) -> str:
        """SHA-256 of the plan: equal for the same inputs and the same format."""
        return _hash(self.to_dict())

    def earlier_hash(self, reasons: Mapping[str, str]) -> str:
        """The hash as stores from before 0.1.0 have it: with the reasons for failures, by recording id."""
        plan = self.to_dict()
        for recording in plan["recordings"]:
            recording["reason"] = "" if recording["samples"] else reasons.get(recording["id"], "")
        return _hash(plan)

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON types, without the reasons for failures: their wording is not part of the plan."""
        return {
            "format_version": FORMAT_VERSION,
            "split": self.split,
            "chain": self.chain.to_dict(),
            "chain_hash": self.chain.hash,
            "step": self.step,
            "chunk": self.chunk,
            "chunks_a_shard": CHUNKS_PER_SHARD,
            "recordings": [asdict(recording) | {"reason": ""} for recording in self.recordings],
        }

    def units(self) -> tuple[Unit, ...]:
        """The shards in groups that share no recording."""
        units: list[Unit] = []
        shard = self.chunk * CHUNKS_PER_SHARD
        for index, recording in enumerate(self.recordings):
            if not recording.samples:
                continue
            first = recording.first_sample // shard
            last = (recording.first_sample + recording.samples - 1) // shard
            if units and first < units[-1].first_shard + units[-1].shards:
                before = units.pop()
                shards = max(before.shards, last + 1 - before.first_shard)
                units.append(Unit(before.index, before.first_shard, shards, (*before.recordings, index)))
            else:
                units.append(Unit(len(units), first, last + 1 - first, (index,)))
        return tuple(units)


def make_plan(corpus: Corpus, split: str, chain: Chain, step: float = STEP) -> Plan:
    """Reads the headers of a split's recordings and plans the store.

    A recording whose header cannot be read gets no samples, and a reason.
    """
    files = [file for file in corpus.recordings if file.split == split]
    with ThreadPoolExecutor(_HEADER_THREADS) as pool:
        headers = list(pool.map(lambda file: _read_header(file, chain), files))
    starts = allocate([samples for _, samples, _ in headers], CHUNK_SECONDS * chain.sampling_rate)
    recordings = tuple(
        _plan_recording(corpus.root, file, rate, start, samples, reason)
        for file, start, (rate, samples, reason) in zip(files, starts, headers, strict=True)
    )
    return Plan(split, chain, step, recordings)


def allocate(samples: Sequence[int], chunk: int) -> list[int]:
    """The first sample of each recording in `signal`, by their numbers of samples; 0 for an empty recording.

    A recording starts at the start of a chunk. It crosses the end of a shard only if it starts at the start of one,
    because it is longer than a shard.
    """
    starts, cursor = [], 0
    for count in samples:
        needed = _chunks(count, chunk)
        used = cursor % CHUNKS_PER_SHARD
        if used and needed > CHUNKS_PER_SHARD - used:
            cursor += CHUNKS_PER_SHARD - used
        starts.append(cursor * chunk if count else 0)
        cursor += needed
    return starts


def differences(old: dict[str, Any], new: dict[str, Any]) -> Sequence[str]:
    """What differs between two plans as `Plan.to_dict` returns them, one phrase for each difference."""
    found = []
    if old.get("chain_hash") != new["chain_hash"]:
        found.append(f"the preprocessing chain ({old.get('chain')} in the unfinished build, {new['chain']} now)")
    keys = ("format_version", "step", "chunk", "chunks_a_shard")
    changes = ((key, old.get(key), new[key]) for key in keys)
    found += [f"{key} ({a} in the unfinished build, {b} now)" for key, a, b in changes if a != b]
    before = {recording["id"]: recording for recording in old.get("recordings", [])}
    now = {recording["id"]: recording for recording in new["recordings"]}
    removed, added = sorted(before.keys() - now.keys()), sorted(now.keys() - before.keys())
    changed = sorted(name for name in before.keys() & now.keys() if json.dumps(before[name]) != json.dumps(now[name]))
    for what, names in (("removed", removed), ("new", added), ("changed", changed)):
        if names:
            plural = "" if len(names) == 1 else "s"
            found.append(f"{len(names)} {what} recording{plural} ({', '.join(names[:3])}{', …' if names[3:] else ''})")
    return found


def _hash(plan: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def _chunks(samples: int, chunk: int) -> int:
    return -(-samples // chunk)


def _read_header(file: RecordingFile, chain: Chain) -> tuple[float, int, str]:
    """Sampling rate, number of samples after preprocessing, and the reason why there are none."""
    try:
        with open_edf(file.edf) as edf:
            plan = plan_preprocessing(edf, chain)
    except (EdfError, ChannelError, OSError) as error:
        return 0.0, 0, str(error)
    if not plan.samples:
        return float(plan.rate), 0, f"{file.edf}: the recording is empty"
    return float(plan.rate), plan.samples, ""


def _plan_recording(
    root: Path, file: RecordingFile, rate: float, first_sample: int, samples: int, reason: str
) -> PlannedRecording:
    return PlannedRecording(
        id=file.id,
        patient=file.patient,
        session=file.session,
        montage=file.montage,
        source=file.edf.relative_to(root).as_posix(),
        annotations=file.annotations.relative_to(root).as_posix() if file.annotations else "",
        bytes=file.edf.stat().st_size,
        source_rate=rate,
        first_sample=first_sample,
        samples=samples,
        status=FAILED if reason else OK,
        reason=reason,
    )
