"""The environment variables that seizurekit reads, each when it is used, never at import."""

from __future__ import annotations

import os
from pathlib import Path

from seizurekit.errors import ConfigError

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


def _flag(name: str) -> bool:
    value = os.environ.get(name, "").strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ConfigError(f"environment variable {name}: found {value!r}, wanted 1 or 0")


def plain_progress() -> bool:
    """`BGB_DISABLE_TQDM`: progress as plain lines even on a terminal."""
    return _flag("BGB_DISABLE_TQDM")


def force_manifest_rebuild() -> bool:
    """`BGB_FORCE_MANIFEST_REBUILD`: count the windows anew whatever the manifest says."""
    return _flag("BGB_FORCE_MANIFEST_REBUILD")


def force_fallback() -> bool:
    """`SEIZURE_MAMBA_FORCE_FALLBACK`: compute every operation in plain torch."""
    return _flag("SEIZURE_MAMBA_FORCE_FALLBACK")


def s3_endpoint() -> str:
    """`AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`: an S3 server that is not Amazon's; empty where neither is set."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def aws_profile_wanted() -> bool:
    """Whether AWS credentials are to come from a profile: no variable holds them, and there is a file of profiles."""
    if any(os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE")):
        return False
    default = Path.home() / ".aws" / "credentials"
    return bool(os.environ.get("AWS_PROFILE")) or Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", default)).exists()


def force_cache_copy() -> bool:
    """`BGB_FORCE_CACHE_COPY`: copy a store anew though a complete copy is there."""
    return _flag("BGB_FORCE_CACHE_COPY")


def limit_files() -> int | None:
    """`BGB_LIMIT_FILES`: use only the first N recordings of a split; None where it is unset."""
    value = os.environ.get("BGB_LIMIT_FILES", "").strip()
    if not value:
        return None
    if not value.isascii() or not value.isdigit() or int(value) == 0:
        raise ConfigError(f"environment variable BGB_LIMIT_FILES: found {value!r}, wanted a whole number above 0")
    return int(value)
