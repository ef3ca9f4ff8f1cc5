"""The position of recordings in a store."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from seizurekit.cache.build.plan import Plan, PlannedRecording, allocate, differences
from seizurekit.cache.layout import CHUNKS_PER_SHARD
from seizurekit.signal.chain import Chain

CHUNK = 2560
SHARD = CHUNK * CHUNKS_PER_SHARD

lengths = st.lists(
    st.one_of(st.just(0), st.integers(1, 3 * CHUNK), st.integers(1, 3 * SHARD), st.just(SHARD)), max_size=30
)


def planned(index: int, first: int, samples: int) -> PlannedRecording:
    return PlannedRecording(f"r{index}", "p", "s", "", f"r{index}.edf", "", 1, 256.0, first, samples, "ok", "")


def plan_of(samples: list[int], chain: Chain | None = None) -> Plan:
    starts = allocate(samples, CHUNK)
    recordings = tuple(planned(i, *position) for i, position in enumerate(zip(starts, samples, strict=True)))
    return Plan("train", chain or Chain(), 1 / 512, recordings)


@given(lengths)
def test_recordings_start_on_chunks_and_do_not_overlap(samples: list[int]) -> None:
    end = 0
    for first, count in zip(allocate(samples, CHUNK), samples, strict=True):
        if count:
            assert first % CHUNK == 0
            assert first >= end
            end = first + -(-count // CHUNK) * CHUNK


@given(lengths)
def test_a_recording_crosses_the_end_of_a_shard_only_if_it_starts_at_the_start_of_one(samples: list[int]) -> None:
    for first, count in zip(allocate(samples, CHUNK), samples, strict=True):
        if count and first // SHARD != (first + count - 1) // SHARD:
            assert first % SHARD == 0


def test_a_recording_that_fills_the_rest_of_a_shard_exactly_is_put_there() -> None:
    assert allocate([CHUNK, SHARD - CHUNK, 1], CHUNK) == [0, CHUNK, SHARD]


@given(lengths)
def test_units_share_neither_shards_nor_recordings_and_cover_all_of_them(samples: list[int]) -> None:
    plan = plan_of(samples)
    units = plan.units()
    recordings = [index for unit in units for index in unit.recordings]
    assert recordings == [index for index, count in enumerate(samples) if count]
    shards = [shard for unit in units for shard in range(unit.first_shard, unit.first_shard + unit.shards)]
    assert len(shards) == len(set(shards))
    for unit in units:
        for index in unit.recordings:
            recording = plan.recordings[index]
            assert unit.first_shard * SHARD <= recording.first_sample
            assert recording.first_sample + recording.samples <= (unit.first_shard + unit.shards) * SHARD


def test_the_signal_ends_with_the_last_recordings_last_chunk() -> None:
    assert plan_of([100, CHUNK + 1]).samples == 3 * CHUNK
    assert plan_of([]).samples == CHUNK


def test_differences_between_plans_are_described() -> None:
    old, new = plan_of([1, 2]).to_dict(), plan_of([1, 2, 3], Chain(notch=50.0)).to_dict()
    text = "; ".join(differences(old, new))
    assert "preprocessing chain" in text
    assert "'notch': 50.0" in text
    assert "1 new recording (r2)" in text
    assert not differences(old, old)


def test_the_reasons_for_failures_are_not_part_of_a_plan() -> None:
    plan = plan_of([1, 0])
    failed = replace(plan, recordings=(plan.recordings[0], replace(plan.recordings[1], reason="no such file")))
    assert failed.hash == plan.hash
    assert failed.to_dict() == plan.to_dict()
    earlier = failed.to_dict()
    earlier["recordings"][1]["reason"] = "no such file"
    text = json.dumps(earlier, sort_keys=True)
    assert failed.earlier_hash({"r0": "", "r1": "no such file"}) == hashlib.sha256(text.encode()).hexdigest()


def test_a_plans_hash_changes_with_a_recordings_length() -> None:
    assert plan_of([1, 2]).hash == plan_of([1, 2]).hash
    assert plan_of([1, 2]).hash != plan_of([1, 3]).hash
