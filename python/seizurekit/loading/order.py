"""The order of an epoch, and its division among ranks and into batches: pure functions of seed, epoch, rank and world.

An epoch is one order of all items for all ranks together. It is cut into global batches of ``batch_size * world_size``,
of which each rank takes its own slice; so a position in the epoch is one number, whatever the rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

POOL_BLOCKS = 32
"""Blocks that a block shuffle mixes at a time."""


def epoch_order(seed: int, epoch: int, items: int) -> Int64:
    """All items in an order that follows from seed and epoch, int64 [item]."""
    return np.random.default_rng((seed, epoch)).permutation(items).astype(np.int64)


def block_order(seed: int, epoch: int, block: npt.NDArray[np.integer], pool: int = POOL_BLOCKS) -> Int64:
    """All items, blocks in random order, and the items of each `pool` blocks in a row mixed with one another.

    Args:
        seed: of the order.
        epoch: another epoch has other pools, and another order in each.
        block: of each item, [item].
        pool: blocks that are mixed.
    """
    rng = np.random.default_rng((seed, epoch))
    numbers, own = np.unique(block, return_inverse=True)
    place = rng.permutation(len(numbers))[own] // pool
    # A random key within the pool that the item's block fell into.
    return np.lexsort((rng.permutation(len(block)), place)).astype(np.int64)


@dataclass(frozen=True)
class Division:
    """How a number of items, in order, is divided into global batches, and these among the ranks.

    Every rank has the same number of batches, all but the last ones full. None is empty, unless the batch size is 1:
    what is left over then cannot be shared out, and some ranks' last batch is empty.

    Attributes:
        items: of the epoch that are left.
        batch_size: of a rank.
        world_size: number of ranks.
        drop_last: leave out what does not fill a global batch.
    """

    items: int
    batch_size: int
    world_size: int
    drop_last: bool

    def ends(self) -> Int64:
        """Where each global batch ends, int64 [batch]."""
        whole = self.batch_size * self.world_size
        full, rest = divmod(self.items, whole)
        ends = np.arange(1, full + 1, dtype=np.int64) * whole
        if not rest or self.drop_last:
            return ends
        if rest < self.world_size:  # too few for a batch of every rank: the one before gives some
            if not full or self.batch_size == 1:
                return np.append(ends, np.int64(self.items))
            ends[-1] = self.items - self.world_size
        return np.append(ends, np.int64(self.items))

    def sizes(self) -> list[int]:
        """Items of each global batch."""
        sizes: list[int] = np.diff(self.ends(), prepend=0).tolist()
        return sizes

    def of_rank(self, rank: int) -> list[slice]:
        """The slice of the order that is each of a rank's batches."""
        slices = []
        begin = 0
        for end in self.ends().tolist():
            share, more = divmod(end - begin, self.world_size)
            first = begin + rank * share + min(rank, more)
            slices.append(slice(first, first + share + (rank < more)))
            begin = end
        return slices
