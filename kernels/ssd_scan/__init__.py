"""Mamba-2's state-space scan (Dao and Gu 2024, "state space duality", SSD): one function, several back ends.

Shapes: B batch, L length, H heads of P channels, G groups of heads that share B and C, N states, Q steps a chunk, K
chunks, R = H / G. With ``dt`` after its bias, softplus and limits, for every head::

    state[t] = exp(dt[t] A) state[t - 1] + dt[t] x[t] B[t]^T        y[t] = state[t] C[t] + D x[t], times SiLU(z[t])

``reverse`` is exactly: flip x, dt, B, C and z along L, do the above, flip y; ours flips nothing in memory. The states
are then those of the flipped sequence.

Every back end is a module beside this one with the functions that `seizurekit.kernels.ssd_scan.chunked` has, of the
same arguments and results: ``scan``, ``why_not`` and ``why_not_call``. They do not check their arguments; that is
`seizurekit.ops`'s part.
"""
