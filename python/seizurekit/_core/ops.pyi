"""The network's operations on the CPU; tensors are addresses, sequences (address, strides of B, D, L in elements)."""

_Strided = tuple[int, int, int, int]

def causal_conv1d_forward(
    dtype: str,
    shape: tuple[int, int, int],
    width: int,
    silu: bool,
    reverse: bool,
    threads: int,
    x: _Strided,
    weight: int,
    bias: int,
    initial: int,
    y: _Strided,
    final: int,
) -> None:
    """Fills y and the final state; an address of 0 stands for what is absent."""

def causal_conv1d_backward(
    dtype: str,
    shape: tuple[int, int, int],
    width: int,
    silu: bool,
    reverse: bool,
    threads: int,
    dy: _Strided,
    x: _Strided,
    weight: int,
    bias: int,
    initial: int,
    dfinal: int,
    dx: _Strided,
    dweight: int,
    dbias: int,
    dinitial: int,
) -> None:
    """Fills the gradients; an address of 0 stands for what is absent, but dbias is always written."""
