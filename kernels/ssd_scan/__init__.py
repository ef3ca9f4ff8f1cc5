"""Mamba-2's state-space scan (SSD, Dao and Gu 2024): the recurrence as a plain reference.

Shapes: B batch, L length, H heads, P channels per head, G groups of heads that share B and C, N states per channel.
For each head, with ``dt`` after bias, softplus and limits::

    state[t] = exp(dt[t] * A) * state[t - 1] + dt[t] * x[t] (outer) B[t]        [P, N]
    y[t]     = state[t] @ C[t] + D * x[t]                                       [P]

``seq_idx`` numbers the sequences packed into a row: the state is reset where the number changes, and the initial state
belongs to sequence 0. ``reverse`` is the anti-causal direction: flip x, dt, B, C and seq_idx along L, compute the
above, flip y. The states are those of the flipped sequence.
"""
