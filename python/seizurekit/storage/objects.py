"""Folders of object stores, through obstore."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import from_url

from seizurekit.errors import StorageError
from seizurekit.settings import s3_endpoint, use_aws_profile
from seizurekit.storage.folder import Options, Span, Writable
from seizurekit.storage.request_errors import failure_reason, is_truncated

T = TypeVar("T")

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "http", "https")
MAX_CONCURRENT_REQUESTS = 64
"""Requests of one call at a time. More are no faster on the links of GPU machines, and some stores then answer 503."""
COALESCE_BYTES = 512 * 1024
"""Spans of a file closer than this are one request: at 100 ms a request, reading the gap is faster."""
MAX_ATTEMPTS = 8
"""Requests for an answer that is truncated. obstore itself repeats requests that fail before the first byte."""
_CLIENT = {"connect_timeout": "5 seconds", "timeout": "60 seconds", "pool_idle_timeout": "60 seconds"}
_RETRY = {
    "max_retries": 10,
    "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=5), "base": 2},
    "retry_timeout": timedelta(seconds=120),
}
_from_url: Any = from_url  # its overloads reject options from a mapping
_client_pid: int | None = None
"""Process that made the first client."""


class _Client:
    """A connection to a store, opened at its first use and shared by a folder and its subfolders."""

    def __init__(self, location: str, options: dict[str, Any]) -> None:
        self.location, self.options, self.url = location, options, _without_credentials(location)
        self._store: Any = None

    def store(self) -> Any:
        """obstore's store."""
        global _client_pid
        if _client_pid not in (None, os.getpid()):
            # A fork does not copy the client's threads: a request would wait for them forever.
            raise StorageError(
                f"{self.url}: this process was forked from one that had used an object store: start it by spawn "
                "(multiprocessing_context='spawn'), or use threads, as WindowLoader does"
            )
        if self._store is None:
            self._store = _open_store(self.location, self.url, self.options)
            _client_pid = os.getpid()
        return self._store


class ObjectFolder:
    """A prefix of an object store, see `Folder`.

    Requests are repeated, with backoff and jitter, after 5xx answers, resets, timeouts and truncated answers.
    Credentials come from `options`, the environment, the role of the machine or, if boto3 is installed, its profiles.
    """

    is_local = False

    def __init__(self, url: str, options: Options, prefix: str = "", client: _Client | None = None) -> None:
        self._client = client or _Client(url.rstrip("/"), dict(options))
        self._prefix = prefix
        self.url = self._client.url + (f"/{prefix.rstrip('/')}" if prefix else "")

    def __reduce__(self) -> tuple[type[ObjectFolder], tuple[str, Options, str]]:
        return type(self), (self._client.location, self._client.options, self._prefix)

    def __repr__(self) -> str:
        return f"ObjectFolder({self.url!r})"

    def at(self, name: str) -> ObjectFolder:
        """The subfolder of that name."""
        return ObjectFolder("", {}, f"{self._prefix}{name}/", self._client)

    def read(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""
        return self.read_all([name])[0]

    def read_all(self, names: Sequence[str]) -> list[bytes]:
        """The contents of several files, fetched together. Raises FileNotFoundError."""
        return self._run_all([(name, partial(self._get, name)) for name in names])

    def read_present(self, names: Sequence[str]) -> dict[str, bytes]:
        """The contents of those of the files that exist, fetched together."""

        async def get(name: str) -> bytes | None:
            try:
                return await self._get(name)
            except FileNotFoundError:
                return None

        contents = self._run_all([(name, partial(get, name)) for name in names])
        return {name: content for name, content in zip(names, contents, strict=True) if content is not None}

    async def _get(self, name: str) -> bytes:
        result = await obstore.get_async(self._store, self._key(name))
        content = bytes(await result.bytes_async())
        _check_length(len(content), result.meta["size"])
        return content

    def read_spans(self, spans: Sequence[Span]) -> list[memoryview]:
        """Parts of files, fetched together; one request for spans that are close. Raises FileNotFoundError."""
        requests = _coalesce(spans)
        answers = self._run_all([(request.name, partial(self._get_span, request)) for request, _ in requests])
        parts: dict[int, memoryview] = {}
        for (request, members), answer in zip(requests, answers, strict=True):
            for i in members:
                parts[i] = answer[spans[i].start - request.start : spans[i].stop - request.start]
        return [parts[i] for i in range(len(spans))]

    async def _get_span(self, span: Span) -> memoryview:
        # obstore's get_ranges, which coalesces too, panics at an answer that is too short.
        part = await obstore.get_range_async(self._store, self._key(span.name), start=span.start, end=span.stop)
        _check_length(len(part), span.stop - span.start)
        return memoryview(part)

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, or replaces it; it appears complete or not at all."""
        self._run(name, lambda: obstore.put(self._store, self._key(name), content))

    @contextmanager
    def open_atomic(self, name: str) -> Iterator[Writable]:
        """A new file, collected in memory and sent in one request when the block ends."""
        content = BytesIO()
        yield content
        self.write(name, content.getvalue())

    def create(self, name: str, content: bytes) -> bool:
        """Writes a file unless it exists (a conditional PUT), and returns whether it did."""

        def put() -> bool:
            try:
                obstore.put(self._store, self._key(name), content, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
            return True

        return self._run(name, put)

    def remove(self, name: str) -> None:
        """Removes a file if it exists."""

        def delete() -> None:
            with suppress(FileNotFoundError):
                obstore.delete(self._store, self._key(name))

        self._run(name, delete)

    def size(self, name: str) -> int | None:
        """Size of a file in bytes; None if it does not exist."""
        try:
            return int(self._run(name, lambda: obstore.head(self._store, self._key(name)))["size"])
        except FileNotFoundError:
            return None

    def files(self) -> dict[str, int]:
        """Sizes in bytes of all files in the folder and below, by name."""

        def list_all() -> dict[str, int]:
            pages = obstore.list(self._store, prefix=self._prefix or None, chunk_size=1000)
            sizes = {entry["path"]: int(entry["size"]) for page in pages for entry in page}
            return {path.removeprefix(self._prefix): size for path, size in sizes.items()}

        return dict(sorted(self._run("", list_all).items()))

    def folders(self) -> list[str]:
        """Names of the subfolders."""
        listing = self._run("", lambda: obstore.list_with_delimiter(self._store, prefix=self._prefix or None))
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in listing["common_prefixes"])

    @property
    def _store(self) -> Any:
        return self._client.store()

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _url(self, name: str) -> str:
        return f"{self.url}/{name}" if name else self.url

    def _run(self, name: str, request: Callable[[], T]) -> T:
        try:
            return request()
        except Exception as error:  # obstore raises its own classes, and those of Python
            raise self._translate(name, error) from None

    def _translate(self, name: str, error: Exception) -> Exception:
        """The error for the user instead of obstore's: it names the URL and contains no credential."""
        if isinstance(error, FileNotFoundError):
            return FileNotFoundError(2, "No such file", self._url(name))
        return error if isinstance(error, StorageError) else StorageError(f"{self._url(name)}: {failure_reason(error)}")

    def _run_all(self, requests: Sequence[tuple[str, Callable[[], Awaitable[T]]]]) -> list[T]:
        """Runs requests, each with the name of its file, concurrently."""

        async def gather() -> list[T]:
            gate = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)

            async def run(name: str, request: Callable[[], Awaitable[T]]) -> T:
                async with gate:
                    return await self._repeat(name, request)

            return await asyncio.gather(*(run(*each) for each in requests))

        return _run_coroutine(gather()) if requests else []

    async def _repeat(self, name: str, request: Callable[[], Awaitable[T]]) -> T:
        """Runs a request until its answer is not truncated."""
        for attempt in range(MAX_ATTEMPTS):
            try:
                return await request()
            except _ShortAnswerError as error:
                problem = str(error)
            except Exception as error:  # see `_run`
                if not is_truncated(error):
                    raise self._translate(name, error) from None
                problem = "the answer was truncated"
            await asyncio.sleep(_pause(attempt))
        raise StorageError(f"{self._url(name)}: {problem} after {MAX_ATTEMPTS} attempts")


class _ShortAnswerError(Exception):
    pass


def _check_length(length: int, expected: int) -> None:
    if length != expected:
        raise _ShortAnswerError(f"the answer has {length} bytes, expected {expected}")


def _pause(attempt: int) -> float:
    return min(0.05 * 2.0**attempt, 2.0) * random.uniform(0.5, 1.5)


def _coalesce(spans: Sequence[Span]) -> list[tuple[Span, list[int]]]:
    """The spans to request, each with the indices of the given spans that it contains."""
    requests: list[tuple[Span, list[int]]] = []
    for i in sorted(range(len(spans)), key=lambda i: (spans[i].name, spans[i].start)):
        span = spans[i]
        if requests:
            last, members = requests[-1]
            if last.name == span.name and span.start - last.stop <= COALESCE_BYTES:
                requests[-1] = Span(last.name, last.start, max(last.stop, span.stop)), members
                members.append(i)
                continue
        requests.append((span, [i]))
    return requests


def _run_coroutine(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:  # this thread already runs a loop, e.g. a notebook's
        return thread.submit(asyncio.run, coroutine).result()


def _open_store(location: str, url: str, options: dict[str, Any]) -> Any:
    arguments: dict[str, Any] = dict(options)
    client = {**_CLIENT, **arguments.pop("client_options", {})}
    retry = {**_RETRY, **arguments.pop("retry_config", {})}
    scheme = urlsplit(location).scheme
    if scheme in ("s3", "s3a"):
        endpoint = str(arguments.get("endpoint") or arguments.get("aws_endpoint_url") or s3_endpoint() or "")
        if endpoint:
            arguments.setdefault("endpoint", endpoint)
        client.setdefault("allow_http", endpoint.startswith("http://"))
        provider = _profile_credentials(arguments)
        if provider is not None:
            arguments["credential_provider"] = provider
    if scheme == "http":
        client.setdefault("allow_http", True)
    try:
        return _from_url(location, client_options=client, retry_config=retry, **arguments)
    except Exception as error:  # an option of a wrong name, type or value, each of another class
        names = f"; the options are {', '.join(sorted(options))}" if options else ""
        raise StorageError(f"{url}: {failure_reason(error)}{names}") from None


def _profile_credentials(options: dict[str, Any]) -> Any:
    """Credentials of boto3 if neither options nor variables hold any and there is a profile; else None."""
    names = {name.removeprefix("aws_") for name in options}
    if names & {"access_key_id", "skip_signature", "credential_provider"} or not use_aws_profile():
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider

        return Boto3CredentialProvider()
    except (ImportError, ValueError):
        return None


def _without_credentials(url: str) -> str:
    """A URL without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
