"""Folders of object stores, through obstore."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import urlsplit

from seizurekit import settings
from seizurekit.errors import StorageError
from seizurekit.storage.folder import Options, Span, Writable

T = TypeVar("T")

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "http", "https")
REQUESTS_AT_ONCE = 64
"""Of one call. More gain nothing on a link that a GPU machine has, and some stores then answer 503."""
COALESCE_BYTES = 512 * 1024
"""Parts of a file nearer than this are one request: at 100 ms a request, what lies between them is cheaper."""
SHORT_READS = 8
"""Times that an answer cut short is asked for again; obstore itself retries what fails before the first byte."""
_CLIENT = {"connect_timeout": "5 seconds", "timeout": "60 seconds", "pool_idle_timeout": "60 seconds"}
_RETRY = {
    "max_retries": 10,
    "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=5), "base": 2},
    "retry_timeout": timedelta(seconds=120),
}
_used_by: int | None = None


class _Client:
    """A connection to a store, made when it is first used, and kept: by a folder and by all folders in it."""

    def __init__(self, location: str, options: dict[str, Any]) -> None:
        self.location, self.options, self.shown = location, options, _shown(location)
        self._store: Any = None

    def opened(self) -> Any:
        """obstore's store."""
        global _used_by
        if _used_by not in (None, os.getpid()):
            # The client's threads did not come along; a call would wait for them for ever.
            raise StorageError(
                f"{self.shown}: found a process forked from one that had read an object store, wanted one that was "
                "spawned (multiprocessing_context='spawn'), or threads, as WindowLoader uses"
            )
        if self._store is None:
            self._store = _opened(self.location, self.shown, self.options)
            _used_by = os.getpid()
        return self._store


class ObjectFolder:
    """A prefix of an object store, see `Folder`.

    Requests are tried again, with backoff and jitter, after 5xx, resets, timeouts and answers cut short. Credentials
    come from `options`, the environment, the machine's role or, where boto3 is installed, its profiles.
    """

    is_local = False

    def __init__(self, url: str, options: Options, prefix: str = "", client: _Client | None = None) -> None:
        self._client = client or _Client(url.rstrip("/"), dict(options))
        self._prefix = prefix
        self.url = self._client.shown + (f"/{prefix.rstrip('/')}" if prefix else "")

    def __reduce__(self) -> tuple[type[ObjectFolder], tuple[str, Options, str]]:
        return type(self), (self._client.location, self._client.options, self._prefix)

    def __repr__(self) -> str:
        return f"ObjectFolder({self.url!r})"

    def at(self, name: str) -> ObjectFolder:
        """The folder of that name in it."""
        return ObjectFolder("", {}, f"{self._prefix}{name}/", self._client)

    def read(self, name: str) -> bytes:
        """A file's content. Raises FileNotFoundError."""
        return self.read_all([name])[0]

    def read_all(self, names: Sequence[str]) -> list[bytes]:
        """Several files' contents, fetched together. Raises FileNotFoundError."""
        return self._together([(name, partial(self._content, name)) for name in names])

    def read_present(self, names: Sequence[str]) -> dict[str, bytes]:
        """The contents of those of the files that are there, fetched together."""

        async def one(name: str) -> bytes | None:
            try:
                return await self._content(name)
            except FileNotFoundError:
                return None

        found = self._together([(name, partial(one, name)) for name in names])
        return {name: content for name, content in zip(names, found, strict=True) if content is not None}

    async def _content(self, name: str) -> bytes:
        import obstore

        found = await obstore.get_async(self._store, self._key(name))
        content = bytes(await found.bytes_async())
        _check_length(len(content), found.meta["size"])
        return content

    def read_spans(self, spans: Sequence[Span]) -> list[memoryview]:
        """Parts of files, fetched together, neighbours in one request. Raises FileNotFoundError."""
        requests = _coalesced(spans)
        found = self._together([(whole.name, partial(self._part, whole)) for whole, _ in requests])
        placed: dict[int, memoryview] = {}
        for (whole, members), part in zip(requests, found, strict=True):
            for number in members:
                span = spans[number]
                placed[number] = part[span.start - whole.start : span.stop - whole.start]
        return [placed[number] for number in range(len(spans))]

    async def _part(self, span: Span) -> memoryview:
        import obstore

        # obstore's own get_ranges, which would coalesce too, panics at an answer that is too short.
        part = await obstore.get_range_async(self._store, self._key(span.name), start=span.start, end=span.stop)
        _check_length(len(part), span.stop - span.start)
        return memoryview(part)

    def write(self, name: str, content: bytes) -> None:
        """Puts a file there, whole or not at all, in place of an earlier one."""
        import obstore

        self._do(name, lambda: obstore.put(self._store, self._key(name), content))

    @contextmanager
    def open_whole(self, name: str) -> Iterator[Writable]:
        """A new file, gathered in memory and sent in one request when the block ends."""
        content = BytesIO()
        yield content
        self.write(name, content.getvalue())

    def create(self, name: str, content: bytes) -> bool:
        """Puts a file there unless one of its name is there (a conditional PUT); says whether it did."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def put() -> bool:
            try:
                obstore.put(self._store, self._key(name), content, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
            return True

        return self._do(name, put)

    def remove(self, name: str) -> None:
        """Takes a file away; nothing where it is not there."""
        import obstore

        def delete() -> None:
            with suppress(FileNotFoundError):
                obstore.delete(self._store, self._key(name))

        self._do(name, delete)

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where it is not there."""
        import obstore

        try:
            return int(self._do(name, lambda: obstore.head(self._store, self._key(name)))["size"])
        except FileNotFoundError:
            return None

    def files(self) -> dict[str, int]:
        """Names of all files in it and below, with their sizes in bytes."""
        import obstore

        def listed() -> dict[str, int]:
            pages = obstore.list(self._store, prefix=self._prefix or None, chunk_size=1000)
            found = {each["path"]: int(each["size"]) for page in pages for each in page}
            return {path.removeprefix(self._prefix): size for path, size in found.items()}

        return dict(sorted(self._do("", listed).items()))

    def folders(self) -> list[str]:
        """Names of the folders directly in it."""
        import obstore

        found = self._do("", lambda: obstore.list_with_delimiter(self._store, prefix=self._prefix or None))
        return sorted(str(each).rstrip("/").rpartition("/")[2] for each in found["common_prefixes"])

    @property
    def _store(self) -> Any:
        return self._client.opened()

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _do(self, name: str, action: Callable[[], T]) -> T:
        try:
            return action()
        except Exception as error:
            raise self._told(name, error) from None

    def _told(self, name: str, error: Exception) -> Exception:
        """The error that a user gets for the client's: it names the place, and holds no credential."""
        if isinstance(error, FileNotFoundError):
            return FileNotFoundError(2, "No such file", self._place(name))
        return error if isinstance(error, StorageError) else StorageError(f"{self._place(name)}: {reason(error)}")

    def _together(self, tasks: Sequence[tuple[str, Callable[[], Awaitable[T]]]]) -> list[T]:
        async def all_of_them() -> list[T]:
            gate = asyncio.Semaphore(REQUESTS_AT_ONCE)

            async def one(name: str, ask: Callable[[], Awaitable[T]]) -> T:
                async with gate:
                    return await self._asked(name, ask)

            return await asyncio.gather(*(one(*task) for task in tasks))

        return _run(all_of_them()) if tasks else []

    async def _asked(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(SHORT_READS):
            try:
                return await ask()
            except _ShortReadError as error:
                cut = str(error)
            except Exception as error:
                if not _broke_off(error):
                    raise self._told(name, error) from None
                cut = "the answer broke off"
            await asyncio.sleep(_pause(attempt))
        raise StorageError(f"{self._place(name)}: {cut}, {SHORT_READS} times")

    def _place(self, name: str) -> str:
        return f"{self.url}/{name}" if name else self.url


class _ShortReadError(Exception):
    pass


def _coalesced(spans: Sequence[Span]) -> list[tuple[Span, list[int]]]:
    """Requests, each with the numbers of the spans that lie in it."""
    requests: list[tuple[Span, list[int]]] = []
    for number in sorted(range(len(spans)), key=lambda i: (spans[i].name, spans[i].start)):
        span = spans[number]
        if requests:
            last, members = requests[-1]
            if last.name == span.name and span.start - last.stop <= COALESCE_BYTES:
                requests[-1] = Span(last.name, last.start, max(last.stop, span.stop)), members
                members.append(number)
                continue
        requests.append((span, [number]))
    return requests


def _pause(attempt: int) -> float:
    return min(0.05 * 2.0**attempt, 2.0) * random.uniform(0.5, 1.5)


def _check_length(found: int, wanted: int) -> None:
    if found != wanted:
        raise _ShortReadError(f"found {found} bytes in the answer, wanted {wanted}")


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:  # a notebook's loop is running in this one
        return thread.submit(asyncio.run, work).result()


def _opened(location: str, shown: str, options: dict[str, Any]) -> Any:
    from obstore.store import from_url as opened

    from_url: Any = opened  # its overloads do not know options that come from a mapping
    given = dict(options)
    client = {**_CLIENT, **given.pop("client_options", {})}
    retry = {**_RETRY, **given.pop("retry_config", {})}
    scheme = urlsplit(location).scheme
    if scheme in ("s3", "s3a"):
        endpoint = str(given.get("endpoint") or given.get("aws_endpoint_url") or settings.s3_endpoint() or "")
        if endpoint:
            given.setdefault("endpoint", endpoint)
        client.setdefault("allow_http", endpoint.startswith("http://"))
        provider = _profile_credentials(given)
        if provider is not None:
            given["credential_provider"] = provider
    if scheme == "http":
        client.setdefault("allow_http", True)
    try:
        return from_url(location, client_options=client, retry_config=retry, **given)
    except Exception as error:
        told = f"; the options are {', '.join(sorted(options))}" if options else ""
        raise StorageError(f"{shown}: {reason(error)}{told}") from None


def _profile_credentials(options: dict[str, Any]) -> Any:
    """boto3's credentials where none are given in the usual variables, and a profile is there to take them from."""
    named = {name.removeprefix("aws_") for name in options}
    if named & {"access_key_id", "skip_signature", "credential_provider"} or not settings.use_aws_profile():
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider

        return Boto3CredentialProvider()
    except (ImportError, ValueError):
        return None


def _shown(url: str) -> str:
    """A URL without user, password and query, which may hold credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


_BROKEN_BODY = re.compile(r"(?i)\bbody\b|\beof\b|end of file|incomplete|message length")
_STATUS = re.compile(r"\b([45]\d\d) ([A-Z][A-Za-z ]*[a-z])")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_KNOWN = {
    "dns error": "the host name is not known",
    "connection refused": "the connection was refused",
    "certificate": "the server's certificate is not trusted",
    "kind: timeout": "no answer came in time",
    "connection reset": "the connection was reset",
    "connect error": "no connection",
    "credential": "no credentials were found, or they are not valid",
}


def _broke_off(error: Exception) -> bool:
    """Whether an answer ended before its end, which obstore does not ask for again."""
    if isinstance(error, (FileNotFoundError, StorageError)):
        return False
    return not _STATUS.search(str(error)) and bool(_BROKEN_BODY.search(str(error)))


def reason(error: BaseException) -> str:
    """Why a store refused, made of what is known to hold no credential; the client's own text may quote a request."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    told = [f"{status[1]} {status[2].strip()}"] if status else []
    told += [code[1]] if code else []
    lowered = text.lower()
    told += [] if told else [words for sign, words in _KNOWN.items() if sign in lowered][:1]
    return ", ".join(told) or type(error).__name__
