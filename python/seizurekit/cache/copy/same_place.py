"""Whether a folder is, or lies in, another one."""

from __future__ import annotations

from urllib.parse import urlsplit

from seizurekit.storage.folder import Folder
from seizurekit.storage.local import LocalFolder

_SAME_SCHEME = {"s3a": "s3", "abfss": "abfs"}


def lies_in(inner: Folder, outer: Folder) -> bool:
    """Whether `inner` is `outer` or below it, links followed; folders of the same URL are taken for the same."""
    if isinstance(inner, LocalFolder) and isinstance(outer, LocalFolder):
        if not outer.path.exists():
            return False
        place = inner.path.resolve()
        return any(path.exists() and path.samefile(outer.path) for path in (place, *place.parents))
    if inner.is_local or outer.is_local:
        return False
    return (_normal(inner.url) + "/").startswith(_normal(outer.url) + "/")


def _normal(url: str) -> str:
    parts = urlsplit(url)
    path = "/".join(part for part in parts.path.split("/") if part)
    return f"{_SAME_SCHEME.get(parts.scheme, parts.scheme)}://{parts.netloc}/{path}"
