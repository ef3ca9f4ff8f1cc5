"""Whether a folder is inside another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from seizurekit.cache.copy.nesting import is_inside
from seizurekit.storage.open import open_folder


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
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
def test_object_stores_are_compared_by_their_urls(inner: str, outer: str, expected: bool) -> None:
    assert is_inside(open_folder(inner), open_folder(outer)) is expected


def test_links_are_followed_and_missing_folders_are_compared_too(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    store = open_folder(tmp_path / "store")
    for inner in ("store", "link", "store/copy/deeper", "link/copy", "store/../link"):
        assert is_inside(open_folder(tmp_path / inner), store), inner
    for other in (".", "stores", "other/store"):
        assert not is_inside(open_folder(tmp_path / other), store), other
