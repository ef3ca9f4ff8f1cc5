"""Parameters of a chain: hash, JSON form, and invalid values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seizurekit.errors import ConfigError
from seizurekit.recordings.channels import CANONICAL_CHANNELS
from seizurekit.signal.chain import Chain


def test_the_defaults_of_the_chain() -> None:
    chain = Chain()
    assert chain.channels == CANONICAL_CHANNELS
    assert (chain.sampling_rate, chain.band, chain.order) == (256, (0.5, 120.0), 3)
    assert (chain.notch, chain.notch_quality, chain.clip) == (60.0, 30.0, 10.0)


def test_the_hash_is_the_same_on_every_machine_and_never_changes() -> None:
    assert Chain().hash == "32cbbc081beb656d1ccac6b885ff09e002914bcd284b972cb85de70a166c7975"
    assert Chain(notch=60, clip=10).hash == Chain().hash


@pytest.mark.parametrize(
    "other",
    [Chain(notch=50.0), Chain(band=(0.5, 70.0)), Chain(order=4), Chain(clip=20.0), Chain(channels=("Cz", "Fp1"))],
    ids=lambda chain: chain.differences(Chain())[0].partition(":")[0],
)
def test_different_chains_have_different_hashes_and_name_the_difference(other: Chain) -> None:
    assert other.hash != Chain().hash
    assert len(other.differences(Chain())) == 1


def test_a_chain_survives_a_round_trip_through_json() -> None:
    chain = Chain(notch=50.0, channels=("Cz", "O1"))
    assert Chain.from_dict(json.loads(json.dumps(chain.to_dict()))) == chain


def test_unknown_fields_are_rejected() -> None:
    with pytest.raises(ConfigError, match="notches"):
        Chain.from_dict({**Chain().to_dict(), "notches": 3})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channels", ()),
        ("channels", ("Fp1", "Fp1")),
        ("channels", ("Fp9",)),
        ("sampling_rate", 0),
        ("band", (0.0, 120.0)),
        ("band", (50.0, 20.0)),
        ("band", (0.5, 128.0)),
        ("order", 0),
        ("order", 3.5),
        ("notch", 128.0),
        ("notch_quality", 0.0),
        ("clip", -1.0),
        ("clip", float("nan")),
    ],
)
def test_an_invalid_value_is_rejected_by_field(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"chain: {field} is"):
        Chain(**{field: value})
