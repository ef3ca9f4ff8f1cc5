"""The environment variables that seizurekit reads. They are read when they are used, never at import."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from seizurekit.errors import ConfigError

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


def _error(name: str, value: str, expected: str) -> ConfigError:
    return ConfigError(f"environment variable {name} is {value!r}, expected {expected}")


def _flag(name: str) -> bool:
    value = os.environ.get(name, "").strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise _error(name, value, "1 or 0")


def plain_progress() -> bool:
    """`BGB_DISABLE_TQDM`: whether to print progress as plain lines even on a terminal."""
    return _flag("BGB_DISABLE_TQDM")


def force_manifest_rebuild() -> bool:
    """`BGB_FORCE_MANIFEST_REBUILD`: whether to rebuild a manifest even if it is up to date."""
    return _flag("BGB_FORCE_MANIFEST_REBUILD")


def force_fallback() -> bool:
    """`SEIZURE_MAMBA_FORCE_FALLBACK`: whether to compute every operation in plain torch."""
    return _flag("SEIZURE_MAMBA_FORCE_FALLBACK")


def force_cache_copy() -> bool:
    """`BGB_FORCE_CACHE_COPY`: whether to copy a store again even if the copy is complete."""
    return _flag("BGB_FORCE_CACHE_COPY")


def smoke_test() -> bool:
    """`BGB_SMOKE_TEST`: whether to train for a few steps only, to see that everything works."""
    return _flag("BGB_SMOKE_TEST")


def limit_files() -> int | None:
    """`BGB_LIMIT_FILES`: number of recordings of a split to use, from the first on; None if unset."""
    value = os.environ.get("BGB_LIMIT_FILES", "").strip()
    if not value:
        return None
    if not value.isascii() or not value.isdigit() or int(value) == 0:
        raise _error("BGB_LIMIT_FILES", value, "an integer above 0")
    return int(value)


def mid_epoch_minutes() -> float:
    """`BGB_MID_EPOCH_MINUTES`: minutes between two training states within an epoch; 15 if unset."""
    value = os.environ.get("BGB_MID_EPOCH_MINUTES", "").strip()
    try:
        minutes = float(value or 15.0)
    except ValueError:
        minutes = math.nan
    if not 0.0 < minutes < math.inf:
        raise _error("BGB_MID_EPOCH_MINUTES", value, "a number of minutes above 0")
    return minutes


def s3_endpoint() -> str:
    """`AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`: URL of an S3 server other than Amazon's; empty if unset."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def use_aws_profile() -> bool:
    """Whether AWS credentials come from a profile: no variable holds them, and a file of profiles exists."""
    if any(os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE")):
        return False
    default = Path.home() / ".aws" / "credentials"
    return bool(os.environ.get("AWS_PROFILE")) or Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", default)).exists()


def wandb_api_key() -> str | None:
    """`WANDB_API_KEY`; None if unset or empty. The wandb package reads its other variables itself."""
    return os.environ.get("WANDB_API_KEY") or None


@dataclass(frozen=True)
class Torchrun:
    """Position of a process that torchrun started: its rank, the number of processes, its rank on this machine."""

    rank: int
    world: int
    local: int


def torchrun() -> Torchrun | None:
    """`RANK`, `WORLD_SIZE` and `LOCAL_RANK`, as torchrun sets them; None if torchrun did not start this process."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    values = [os.environ.get(name, "") for name in names]
    if not all(values):
        return None
    for name, value in zip(names, values, strict=True):
        if not value.isascii() or not value.isdigit():
            raise _error(name, value, "an integer, as torchrun sets it")
    position = Torchrun(*map(int, values))
    if not position.local <= position.rank < position.world:
        found = ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
        raise ConfigError(f"environment: {found}, expected LOCAL_RANK <= RANK < WORLD_SIZE, as torchrun sets them")
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if position.world > 1 and not os.environ.get(name):
            raise ConfigError(f"environment variable {name} is missing with WORLD_SIZE={position.world}; use torchrun")
    return position


def check_training() -> None:
    """Reads every variable that a run uses, so that an invalid one is reported before any work is done.

    Raises:
        ConfigError: names the variable, its value and the expected value.
    """
    for read in (plain_progress, force_manifest_rebuild, force_fallback, mid_epoch_minutes, smoke_test, limit_files):
        read()
    torchrun()


def make_cublas_deterministic() -> None:
    """Sets `CUBLAS_WORKSPACE_CONFIG`, unless it is set, to a deterministic value. Call it before cuBLAS is used."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def shorten_openmp_spinning() -> None:
    """Sets `GOMP_SPINCOUNT`, unless the user chose how OpenMP threads wait. Call it before torch is imported.

    By default an idle libgomp thread spins 300,000 rounds before it sleeps. On a busy machine it keeps the processor
    from the threads that it waits for.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def user_cache() -> Path:
    """`XDG_CACHE_HOME`, or ``~/.cache``: the folder for data that can be recomputed. A relative path is ignored."""
    value = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return value if value.is_absolute() else Path.home() / ".cache"
