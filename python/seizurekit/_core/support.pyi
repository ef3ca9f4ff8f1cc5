"""The instruction sets of the core."""

from typing import Any

def build_config() -> dict[str, Any]:
    """Compiler, C++ standard, and the available and the selected instruction set."""

def isas() -> list[str]:
    """Instruction sets that build and CPU support, weakest first."""

def use_isa(isa: str) -> None:
    """Selects the instruction set for all later calls."""
