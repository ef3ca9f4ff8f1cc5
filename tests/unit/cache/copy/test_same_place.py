"""Whether one place lies in another."""

from __future__ import annotations

from pathlib import Path

import pytest

from seizurekit.cache.copy.same_place import lies_in
from seizurekit.storage.open import open_folder


@pytest.mark.parametrize(
    ("inner", "outer", "wanted"),
    [
        ("s3://bucket/cache", "s3://bucket/cache/", True),
        ("s3a://bucket/cache/copy", "s3://bucket/cache", True),
        ("s3://bucket//cache", "s3://bucket/cache", True),
        ("s3://bucket/cache2", "s3://bucket/cache", False),
        ("s3://bucket/cache", "s3://other/cache", False),
        ("s3://bucket/cache", "gs://bucket/cache", False),
        ("cache", "s3://bucket/cache", False),
    ],
)
def test_places_in_object_stores_are_compared_by_their_urls(inner: str, outer: str, wanted: bool) -> None:
    assert lies_in(open_folder(inner), open_folder(outer)) is wanted


def test_local_places_are_compared_with_links_followed_also_before_they_exist(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    store = open_folder(tmp_path / "store")
    for inner in ("store", "link", "store/copy/deeper", "link/copy", "store/../link"):
        assert lies_in(open_folder(tmp_path / inner), store), inner
    for other in (".", "stores", "other/store"):
        assert not lies_in(open_folder(tmp_path / other), store), other
