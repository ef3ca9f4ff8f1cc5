"""The network's operations on the CPU. Tensors are addresses; the address of a missing tensor is 0."""

Strided = tuple[int, int, int, int]
"""Address of a tensor [B, D, L], and its strides in elements."""

class Convolution:
    """A depthwise causal convolution of a tensor of `shape` [B, D, L] with `width` taps."""

    def __init__(
        self, *, dtype: str, shape: tuple[int, int, int], width: int, silu: bool, reverse: bool, threads: int
    ) -> None: ...

class Filter:
    """Contiguous weight [D, W], bias [D] and initial state [B, D, W - 1]. Bias and initial state may be missing."""

    def __init__(self, *, weight: int, bias: int, initial: int) -> None: ...

class Gradients:
    """The gradients to compute: of x, and contiguous of weight, bias and initial state, which may be missing."""

    def __init__(self, *, x: Strided, weight: int, bias: int, initial: int) -> None: ...

def causal_conv1d_forward(convolution: Convolution, x: Strided, filter: Filter, y: Strided, final: int) -> None:
    """Computes y and the final state."""

def causal_conv1d_backward(
    convolution: Convolution, dy: Strided, x: Strided, filter: Filter, dfinal: int, gradients: Gradients
) -> None:
    """Computes the gradients; dfinal may be missing."""
