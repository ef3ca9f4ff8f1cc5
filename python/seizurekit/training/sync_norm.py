"""Batch norms whose statistics are those of a step's whole batch, over all ranks.

Without them a detector that is trained by several processes is another than one process trains with the same batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn


def synchronised(model: nn.Module) -> nn.Module:
    """The model with each batch norm in it replaced by one that takes its statistics over all ranks.

    On CUDA that is torch's ``SyncBatchNorm``; it does not run on the CPU, where `SynchronisedBatchNorm1d` computes the
    same. Parameters and buffers stay the very same tensors under the same names, so that optimisers and saved states go
    on fitting. In evaluation mode, and for one process, they are plain batch norms.

    Args:
        model: where it is to be trained; its batch norms are exchanged in place.

    Returns:
        The model, or what replaces it where it is itself a batch norm.
    """
    if any(parameter.is_cuda for parameter in model.parameters()):
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return converted
    if isinstance(model, nn.BatchNorm1d):
        return SynchronisedBatchNorm1d.of(model)
    for name, child in model.named_children():
        setattr(model, name, synchronised(child))
    return model


class SynchronisedBatchNorm1d(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` over the batches of all ranks together, which may differ in size.

    All ranks must run it as often, forward and backward. Parameters' gradients are those of a rank's own part of the
    batch: their sum over ranks is the gradient of the whole.
    """

    @classmethod
    def of(cls, norm: nn.BatchNorm1d) -> SynchronisedBatchNorm1d:
        """The same batch norm, its tensors shared and not copied."""
        made = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        made._parameters, made._buffers = norm._parameters, norm._buffers
        return made.train(norm.training)

    def forward(self, x_BCT: Tensor) -> Tensor:
        """[B, C, T], or [B, C], to the same."""
        if not self.training or not distributed.is_initialized() or distributed.get_world_size() == 1:
            return super().forward(x_BCT)
        self._check_input_dim(x_BCT)
        dtype = x_BCT.dtype
        x_BCT = x_BCT if dtype == torch.float64 else x_BCT.float()
        dims, shape = [0, *range(2, x_BCT.ndim)], [1, -1, *[1] * (x_BCT.ndim - 2)]

        own = x_BCT.new_full((1,), x_BCT.numel() // x_BCT.shape[1])
        values, sum_C = over_ranks(torch.cat([own, x_BCT.sum(dims)])).tensor_split([1])
        if values < 2:
            raise ValueError(f"batch norm: found {values.item():g} value a channel on all ranks, wanted 2 or more")
        mean_C = sum_C / values.detach()
        # In two passes, as the difference of large sums of squares has few digits left.
        centred_BCT = x_BCT - mean_C.view(shape)
        var_C = over_ranks(centred_BCT.square().sum(dims)) / values.detach()
        y_BCT = centred_BCT * torch.rsqrt(var_C + self.eps).view(shape)
        if self.affine:
            y_BCT = y_BCT * self.weight.view(shape) + self.bias.view(shape)
        if self.track_running_stats:
            self._follow(mean_C.detach(), var_C.detach() * values / (values - 1))
        return y_BCT.to(dtype)

    @torch.no_grad()
    def _follow(self, mean_C: Tensor, unbiased_var_C: Tensor) -> None:
        """Moves the running statistics as torch's batch norm does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), share)
        self.running_var.lerp_(unbiased_var_C.to(self.running_var.dtype), share)


def over_ranks(values: Tensor) -> Tensor:
    """The sum over all ranks, differentiable."""
    summed: Tensor = _SumOverRanks.apply(values)  # type: ignore[no-untyped-call]
    return summed


class _SumOverRanks(torch.autograd.Function):
    """A sum over ranks and, since each rank's loss depends on it, the sum over ranks of the gradients.

    torch.distributed.nn.functional.all_reduce is this, and is deprecated; what is named in its place says that it has
    no gradient.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        summed = values.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _SumOverRanks.forward(ctx, gradients[0])
