"""Batch norms with the statistics of the global batch, over all ranks.

With them, several processes train the same detector as one process with the same global batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn


def synchronize_batch_norms(model: nn.Module) -> nn.Module:
    """The model with each batch norm replaced by one that computes its statistics over all ranks.

    On CUDA this is torch's ``SyncBatchNorm``. It does not run on the CPU; there `SynchronizedBatchNorm1d` computes the
    same. Parameters and buffers are shared, not copied, and keep their names, so optimizers and saved states still
    match. In evaluation mode, and with one process, the new modules are plain batch norms.

    Args:
        model: the model, on the device of its training; changed in place.

    Returns:
        The model, or the new module if the model is itself a batch norm.
    """
    if any(parameter.is_cuda for parameter in model.parameters()):
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return converted
    if isinstance(model, nn.BatchNorm1d):
        return SynchronizedBatchNorm1d.from_batch_norm(model)
    for name, child in model.named_children():
        setattr(model, name, synchronize_batch_norms(child))
    return model


class SynchronizedBatchNorm1d(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` over the batches of all ranks, which may differ in size.

    All ranks must run it equally often, forward and backward. The gradients of the parameters are those of this rank's
    part of the batch; their sum over ranks is the gradient of the global batch.
    """

    @classmethod
    def from_batch_norm(cls, norm: nn.BatchNorm1d) -> SynchronizedBatchNorm1d:
        """A synchronized batch norm that shares the tensors of a plain one."""
        new = cls(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
        new._parameters, new._buffers = norm._parameters, norm._buffers
        return new.train(norm.training)

    def forward(self, x_BCT: Tensor) -> Tensor:
        """Normalized values of the shape of the input, [B, C, T] or [B, C]."""
        if not self.training or not distributed.is_initialized() or distributed.get_world_size() == 1:
            return super().forward(x_BCT)
        self._check_input_dim(x_BCT)
        dtype = x_BCT.dtype
        x_BCT = x_BCT if dtype == torch.float64 else x_BCT.float()
        dims, shape = [0, *range(2, x_BCT.ndim)], [1, -1, *[1] * (x_BCT.ndim - 2)]

        local_values = x_BCT.new_full((1,), x_BCT.numel() // x_BCT.shape[1])
        values, sum_C = sum_over_ranks(torch.cat([local_values, x_BCT.sum(dims)])).tensor_split([1])
        if values < 2:
            raise ValueError(f"batch norm: {values.item():g} value per channel on all ranks, expected 2 or more")
        mean_C = sum_C / values.detach()
        # Two passes: the difference of large sums of squares would lose digits.
        centered_BCT = x_BCT - mean_C.view(shape)
        var_C = sum_over_ranks(centered_BCT.square().sum(dims)) / values.detach()
        y_BCT = centered_BCT * torch.rsqrt(var_C + self.eps).view(shape)
        if self.affine:
            y_BCT = y_BCT * self.weight.view(shape) + self.bias.view(shape)
        if self.track_running_stats:
            self._update_running_statistics(mean_C.detach(), var_C.detach() * values / (values - 1))
        return y_BCT.to(dtype)

    @torch.no_grad()
    def _update_running_statistics(self, mean_C: Tensor, unbiased_var_C: Tensor) -> None:
        """Updates the running statistics as torch's batch norm does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        weight = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), weight)
        self.running_var.lerp_(unbiased_var_C.to(self.running_var.dtype), weight)


def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum over all ranks; differentiable."""
    summed: Tensor = _SumOverRanks.apply(values)  # type: ignore[no-untyped-call]
    return summed


class _SumOverRanks(torch.autograd.Function):
    """A sum over ranks, whose gradient is the sum of the gradients of all ranks, since each rank's loss depends on it.

    ``torch.distributed.nn.functional.all_reduce`` does the same but is deprecated, and its replacement has no gradient.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        summed = values.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _SumOverRanks.forward(ctx, gradients[0])
