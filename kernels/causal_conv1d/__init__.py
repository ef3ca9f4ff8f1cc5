"""Depthwise causal convolution, as Mamba uses it: one function, several back ends.

Shapes: B batch, D channels, L length, W taps (2 to 4), S = W - 1 columns of state. With ``xe`` the initial state (zeros
where there is none) followed by x along L::

    pre[b, d, t] = bias[d] + sum over k of weight[d, k] * xe[b, d, t + k]        y = SiLU(pre) or pre
    final        = the last S columns of xe

``reverse`` is exactly: flip x along L, do the above, flip y; no back end flips anything in memory. The states are then
those of the flipped sequence: ``initial[..., -1]`` is the sample right after x's last.

Every back end is a module beside this one with the functions that `seizurekit.kernels.causal_conv1d.reference` has, of
the same arguments and results: ``forward``, ``backward``, ``update``, ``why_not``, ``why_not_call``. They neither check
their arguments nor know autograd; both are `seizurekit.ops`'s part. What they may rely on, and what they must keep:

- x is float32, bfloat16 or float16 (float64 where the back end has it), with L or D innermost and any other strides; y
  and dx are dense and have the same one innermost (`reference.empty_like_layout`). dy may have any strides.
- weight and bias are of x's dtype or float32, the states of x's dtype; all of them, and dfinal, are contiguous.
- Sums are of float32 (float64 for float64) and rounded once, to x's dtype, and those of dweight and dbias to weight's.
- B, D and L are multiples of nothing and may be 0; offsets are of 64 bits.
"""
