"""Why a request to an object store failed, in words that contain no credential."""

from __future__ import annotations

import re

from obstore.exceptions import (
    AlreadyExistsError,
    GenericError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)

_REASONS = {
    PermissionDeniedError: "access denied",
    UnauthenticatedError: "credentials are missing or invalid",
    UnknownConfigurationKeyError: "unknown option",
    AlreadyExistsError: "the object already exists",
    PreconditionError: "the object has changed",
    InvalidPathError: "invalid name",
    NotSupportedError: "the store does not support this operation",
}
# obstore raises one class, GenericError, for other HTTP statuses, failed connections and missing credentials; only its
# text tells them apart. Never show that text: it may quote the request, with its signature.
_STATUS = re.compile(r"\b([45]\d\d [A-Z][A-Za-z ]*[a-z])")
_TEXTS = {
    "dns error": "unknown host name",
    "connection refused": "connection refused",
    "certificate": "the server's certificate is not trusted",
    "kind: timeout": "no answer in time",
    "connection reset": "connection reset",
    "connect error": "no connection",
    "credential": "credentials are missing or invalid",
}
_S3_CODE = re.compile(r"<Code>(\w+)</Code>")
_TRUNCATED = re.compile(r"(?i)\bbody\b|\beof\b|end of file|incomplete|message length")


def failure_reason(error: BaseException) -> str:
    """Why a request failed, e.g. ``access denied (ExpiredToken)``."""
    text = str(error)
    reason = next((words for kind, words in _REASONS.items() if isinstance(error, kind)), "")
    if not reason and (status := _STATUS.search(text)):
        reason = status[1].strip()
    if not reason:
        reason = next((words for sign, words in _TEXTS.items() if sign in text.lower()), type(error).__name__)
    code = _S3_CODE.search(text)
    return f"{reason} ({code[1]})" if code else reason


def is_truncated(error: Exception) -> bool:
    """Whether an answer ended early; obstore does not repeat the request then."""
    text = str(error)
    return isinstance(error, GenericError) and not _STATUS.search(text) and bool(_TRUNCATED.search(text))
