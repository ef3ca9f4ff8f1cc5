"""Opening a folder by its path or URL."""

from __future__ import annotations

from os import PathLike, fspath

from seizurekit.errors import StorageError
from seizurekit.storage.folder import Folder, Options
from seizurekit.storage.local import LocalFolder


def open_folder(location: str | PathLike[str], options: Options | None = None) -> Folder:
    """The folder at a path or URL (``s3://``, ``gs://``, ``az://``, ``https://``, ``file://``); it need not exist.

    Raises:
        StorageError: the scheme is unknown.
    """
    text = fspath(location)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return LocalFolder(text)
    if scheme == "file":
        return LocalFolder(rest)
    from seizurekit.storage.objects import SCHEMES, ObjectFolder  # imports obstore, which local stores do not need

    if scheme not in SCHEMES:
        raise StorageError(f"{scheme}://: unknown scheme, expected {', '.join((*SCHEMES, 'file'))} or a path")
    return ObjectFolder(text, options or {})
