"""Depthwise causal convolution as Mamba uses it: the plain reference, and kernels in Triton and CUDA C++.

Shapes: B batch, D channels, L length, W taps (2 to 4), S = W - 1 samples of state. With ``xe`` the initial state (zeros
by default) followed by x along L::

    pre[b, d, t] = bias[d] + sum over k of weight[d, k] * xe[b, d, t + k]        y = SiLU(pre) or pre
    final        = the last S samples of xe

``reverse`` is the anti-causal direction: flip x along L, compute the above, flip y. No back end flips anything in
memory. The states are those of the flipped sequence: ``initial[..., -1]`` is the sample right after the last of x.
"""
