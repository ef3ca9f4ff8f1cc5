"""Whether a folder is another one or is inside it."""

from __future__ import annotations

from urllib.parse import urlsplit

from seizurekit.storage.folder import Folder
from seizurekit.storage.local import LocalFolder

_SAME_SCHEME = {"s3a": "s3", "abfss": "abfs"}


def is_inside(inner: Folder, outer: Folder) -> bool:
    """Whether `inner` is `outer` or below it. Links are followed; object stores are compared by their URLs."""
    if isinstance(inner, LocalFolder) and isinstance(outer, LocalFolder):
        if not outer.path.exists():
            return False
        resolved = inner.path.resolve()
        return any(path.exists() and path.samefile(outer.path) for path in (resolved, *resolved.parents))
    if inner.is_local or outer.is_local:
        return False
    return (_normalize(inner.url) + "/").startswith(_normalize(outer.url) + "/")


def _normalize(url: str) -> str:
    parts = urlsplit(url)
    path = "/".join(part for part in parts.path.split("/") if part)
    return f"{_SAME_SCHEME.get(parts.scheme, parts.scheme)}://{parts.netloc}/{path}"
