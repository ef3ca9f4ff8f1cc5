"""`selftest`: compares every back end with the reference."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seizurekit.selftest import Check


class Part(enum.StrEnum):
    """Part of the package to test."""

    kernels = "kernels"


def selftest(
    part: Annotated[Part, typer.Argument(metavar="PART", help="Part to test.")] = Part.kernels,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …; auto: a GPU if there is one.")] = "auto",
    require: Annotated[
        str, typer.Option(help="Back ends that must be available and correct, e.g. triton,mamba-ssm.", metavar="NAMES")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with every check.")] = False,
) -> None:
    """Compare every back end with the float64 reference.

    Checks forward and backward passes, then trains one step. Exit code 1: an available back end is wrong or fails, or a
    required one is unavailable.

    Example: seizurekit selftest kernels --device cuda --require triton,mamba-ssm
    """
    from seizurekit.models.device import pick_device
    from seizurekit.selftest import FAILED, WRONG, failed_requirements, run_kernel_checks

    checks = list(run_kernel_checks(pick_device(device, "--device")))
    absent = failed_requirements(checks, [name.strip() for name in require.split(",") if name.strip()])
    if as_json:
        _print_json(checks, absent)
    else:
        _print_table(checks, absent)
    if absent or any(check.verdict in (WRONG, FAILED) for check in checks):
        raise typer.Exit(1)


def _print_json(checks: Iterable[Check], absent: list[str]) -> None:
    import json
    from dataclasses import asdict

    # An error may be infinite, which JSON cannot represent.
    rows = [asdict(check) | {"error": check.error if check.error < float("inf") else None} for check in checks]
    typer.echo(json.dumps({"checks": rows, "missing": absent}, indent=2))


def _print_table(checks: list[Check], absent: list[str]) -> None:
    """Prints one line per back end and precision, with its first failed check."""
    from seizurekit.selftest import OK, UNAVAILABLE

    rows = [("operation", "back end", "precision", "checks", "error/tolerance", "seconds", "verdict")]
    groups: dict[tuple[str, str, str], list[Check]] = {}
    for check in checks:
        groups.setdefault((check.operation, check.backend, check.precision), []).append(check)
    for names, group in groups.items():
        if group[0].verdict == UNAVAILABLE:
            rows.append((*names, "", "", "", f"unavailable: {group[0].reason}"))
            continue
        bad = [check for check in group if check.verdict != OK]
        worst = max((check.error / check.tolerance for check in group if check.tolerance), default=float("nan"))
        verdict = f"{len(bad)} {bad[0].verdict.upper()}, first: {bad[0].case}: {bad[0].reason}" if bad else OK
        seconds = sum(check.seconds for check in group)
        rows.append((*names, str(len(group)), f"{worst:.2g}", f"{seconds:.2f}", verdict))
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for *cells, verdict in rows:
        typer.echo("  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), verdict]))
    for name in absent:
        typer.echo(f"required, but unavailable or incorrect: {name}")


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command()(selftest)
