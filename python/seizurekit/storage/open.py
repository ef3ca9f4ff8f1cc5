"""Opening a folder by its path or URL."""

from __future__ import annotations

from os import PathLike, fspath

from seizurekit.errors import StorageError
from seizurekit.storage.folder import Folder, Options
from seizurekit.storage.local import LocalFolder


def open_folder(location: str | PathLike[str], options: Options | None = None) -> Folder:
    """The folder at a path or a URL (``s3://``, ``gs://``, ``az://``, ``https://``, ``file://``); it need not exist.

    Raises:
        StorageError: a scheme that is not known, or options that its store does not take.
    """
    text = fspath(location)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return LocalFolder(text)
    if scheme == "file":
        return LocalFolder(rest)
    from seizurekit.storage.objects import SCHEMES, ObjectFolder  # obstore, which a local store does not need

    if scheme not in SCHEMES:
        raise StorageError(f"{scheme}://: found an unknown scheme, wanted {', '.join((*SCHEMES, 'file'))} or a path")
    return ObjectFolder(text, options or {})
