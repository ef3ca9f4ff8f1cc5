"""Where recordings go in a store."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seizurekit.cache.build.plan import Plan, PlannedRecording, differences, places
from seizurekit.cache.layout import CHUNKS_A_SHARD
from seizurekit.signal.chain import Chain

CHUNK = 2560
SHARD = CHUNK * CHUNKS_A_SHARD

lengths = st.lists(
    st.one_of(st.just(0), st.integers(1, 3 * CHUNK), st.integers(1, 3 * SHARD), st.just(SHARD)), max_size=30
)


def planned(number: int, first: int, samples: int) -> PlannedRecording:
    return PlannedRecording(f"r{number}", "p", "s", "", f"r{number}.edf", "", 1, 256.0, first, samples, "ok", "")


def plan_of(samples: list[int], chain: Chain | None = None) -> Plan:
    starts = places(samples, CHUNK)
    recordings = tuple(planned(i, *place) for i, place in enumerate(zip(starts, samples, strict=True)))
    return Plan("train", chain or Chain(), 1 / 512, recordings)


@given(lengths)
def test_recordings_start_on_chunks_and_do_not_overlap(samples: list[int]) -> None:
    taken = 0
    for first, count in zip(places(samples, CHUNK), samples, strict=True):
        if count:
            assert first % CHUNK == 0
            assert first >= taken
            taken = first + -(-count // CHUNK) * CHUNK


@given(lengths)
def test_a_recording_crosses_a_shard_boundary_only_when_it_starts_on_one(samples: list[int]) -> None:
    for first, count in zip(places(samples, CHUNK), samples, strict=True):
        if count and first // SHARD != (first + count - 1) // SHARD:
            assert first % SHARD == 0


@given(lengths)
def test_units_share_neither_shards_nor_recordings_and_cover_all(samples: list[int]) -> None:
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


def test_what_differs_between_plans_is_told_for_a_person() -> None:
    old, new = plan_of([1, 2]).to_dict(), plan_of([1, 2, 3], Chain(notch=50.0)).to_dict()
    told = "; ".join(differences(old, new))
    assert "preprocessing chain" in told
    assert "'notch': 50.0" in told
    assert "1 recordings new (r2)" in told
    assert not differences(old, old)


def test_a_plans_hash_changes_with_a_recordings_length() -> None:
    assert plan_of([1, 2]).hash == plan_of([1, 2]).hash
    assert plan_of([1, 2]).hash != plan_of([1, 3]).hash
