"""The plan of a split's store, from headers alone: every recording's place is known before any signal is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seizurekit.cache.layout import CHUNK_SECONDS, CHUNKS_A_SHARD, FAILED, FORMAT_VERSION, OK, STEP
from seizurekit.errors import ChannelError, EdfError
from seizurekit.recordings.corpus import Corpus, RecordingFile
from seizurekit.recordings.edf import open_edf
from seizurekit.signal.chain import Chain
from seizurekit.signal.preprocess import plan_preprocessing

_HEADER_THREADS = 8


@dataclass(frozen=True)
class PlannedRecording:
    """A recording's place in the store; `samples` is 0 where the header tells that it cannot be read (`reason`)."""

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
    """Shards that one worker writes, and the recordings in them; no recording is in two units."""

    number: int
    first_shard: int
    shards: int
    recordings: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Where everything goes, and all that the bytes of a split's store depend on."""

    split: str
    chain: Chain
    step: float
    recordings: tuple[PlannedRecording, ...]

    @property
    def chunk(self) -> int:
        """Samples a chunk."""
        return CHUNK_SECONDS * self.chain.sampling_rate

    @property
    def samples(self) -> int:
        """Samples of the whole `signal` array: where the last recording's last chunk ends."""
        ends = [_chunks(r.samples, self.chunk) * self.chunk + r.first_sample for r in self.recordings if r.samples]
        return max(ends, default=self.chunk)

    @property
    def hash(self) -> str:
        """The same for the same inputs and the same format: 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON types."""
        return {
            "format_version": FORMAT_VERSION,
            "split": self.split,
            "chain": self.chain.to_dict(),
            "chain_hash": self.chain.hash,
            "step": self.step,
            "chunk": self.chunk,
            "chunks_a_shard": CHUNKS_A_SHARD,
            "recordings": [asdict(recording) for recording in self.recordings],
        }

    def units(self) -> tuple[Unit, ...]:
        """The shards in groups that share no recording."""
        units: list[Unit] = []
        shard = self.chunk * CHUNKS_A_SHARD
        for index, recording in enumerate(self.recordings):
            if not recording.samples:
                continue
            first = recording.first_sample // shard
            last = (recording.first_sample + recording.samples - 1) // shard
            if units and first < units[-1].first_shard + units[-1].shards:
                old = units.pop()
                count = max(old.shards, last + 1 - old.first_shard)
                units.append(Unit(old.number, old.first_shard, count, (*old.recordings, index)))
            else:
                units.append(Unit(len(units), first, last + 1 - first, (index,)))
        return tuple(units)


def make_plan(corpus: Corpus, split: str, chain: Chain, step: float = STEP) -> Plan:
    """Reads the headers of a split's recordings and gives each its place.

    A recording starts on a chunk's boundary, and does not cross a shard's boundary unless it starts on one: it is then
    longer than a shard holds. One whose header cannot be read gets no samples, and says why.
    """
    files = [file for file in corpus.recordings if file.split == split]
    with ThreadPoolExecutor(_HEADER_THREADS) as pool:
        headers = list(pool.map(lambda file: _header(file, chain), files))
    starts = places([samples for _, samples, _ in headers], CHUNK_SECONDS * chain.sampling_rate)
    recordings = tuple(
        _planned(corpus.root, file, rate, start, samples, reason)
        for file, start, (rate, samples, reason) in zip(files, starts, headers, strict=True)
    )
    return Plan(split, chain, step, recordings)


def places(samples: Sequence[int], chunk: int) -> list[int]:
    """First samples of recordings of so many samples each; 0 for one without samples."""
    starts, cursor = [], 0
    for count in samples:
        needed = _chunks(count, chunk)
        into_shard = cursor % CHUNKS_A_SHARD
        if into_shard and needed > CHUNKS_A_SHARD - into_shard:
            cursor += CHUNKS_A_SHARD - into_shard
        starts.append(cursor * chunk if count else 0)
        cursor += needed
    return starts


def differences(old: dict[str, Any], new: dict[str, Any]) -> Sequence[str]:
    """What two plans, as `Plan.to_dict` gives them, differ in, for a person."""
    found = []
    if old.get("chain_hash") != new["chain_hash"]:
        found.append(f"the preprocessing chain ({old.get('chain')} then, {new['chain']} now)")
    keys = ("format_version", "step", "chunk", "chunks_a_shard")
    found += [f"{key} ({old.get(key)} then, {new[key]} now)" for key in keys if old.get(key) != new[key]]
    then = {recording["id"]: recording for recording in old.get("recordings", [])}
    now = {recording["id"]: recording for recording in new["recordings"]}
    gone, came = sorted(then.keys() - now.keys()), sorted(now.keys() - then.keys())
    changed = sorted(name for name in then.keys() & now.keys() if json.dumps(then[name]) != json.dumps(now[name]))
    for what, names in (("recordings gone", gone), ("recordings new", came), ("recordings changed", changed)):
        if names:
            found.append(f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})")
    return found


def _chunks(samples: int, chunk: int) -> int:
    return -(-samples // chunk)


def _header(file: RecordingFile, chain: Chain) -> tuple[float, int, str]:
    try:
        with open_edf(file.edf) as edf:
            found = plan_preprocessing(edf, chain)
    except (EdfError, ChannelError, OSError) as error:
        return 0.0, 0, str(error)
    if not found.samples:
        return float(found.rate), 0, f"{file.edf}: found no samples, wanted some"
    return float(found.rate), found.samples, ""


def _planned(
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
