"""Mamba-2's state-space scan (SSD, Dao and Gu 2024): one function, several back ends.

Shapes: B batch, L length, H heads, P channels a head, G groups of heads that share B and C, N states a channel;
J heads and R channels a group, Q samples a chunk. For each head, with ``dt`` after bias, softplus and limits::

    state[t] = exp(dt[t] * A) * state[t - 1] + dt[t] * x[t] (outer) B[t]        [P, N]
    y[t]     = state[t] @ C[t] + D * x[t]                                       [P]

``seq_idx`` numbers the sequences packed into a row: the state is forgotten where the number changes, and the initial
state belongs to number 0. ``reverse`` is exactly: flip x, dt, B, C and seq_idx along L, do the above, flip y; the
states are those of the flipped sequence.

Every back end is a module beside this one with the functions that `seizurekit.kernels.ssd_scan.reference` has:
``forward``, ``backward``, ``why_not``, ``why_not_call``. They neither check their arguments nor know autograd; both are
`seizurekit.ops`'s part. What they may rely on, and what they must keep:

- x, B and C are of one dtype, float32, bfloat16, float16 or float64; any strides; B, L, H, P and N may be any number.
- dt, A, the sums over time and the states are of float32 (float64 for float64), whatever the inputs are, and are
  rounded once: y to x's dtype, gradients to their inputs' dtypes. The final state [B, H, P, N] stays as it was summed.
- ``chunk_size`` is a matter of speed; the result does not depend on it.
"""
