"""Restricted likelihood of many Gaussian processes at once, with its gradient, in torch.

Each study has a Matern-5/2 process with its own length scales, amplitude and noise, and a constant
mean that is integrated out. The gradient is written out: of the covariance K it needs K^-1 alone,
where automatic differentiation would go back through the Cholesky factor at three times the price.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace

import numpy as np
import torch

from optuna_meta.surrogate.base_gps import PaddedTasks


__all__ = ["LEAST_NOISE", "PriorLikelihood"]

LEAST_NOISE = 1e-4  # Keeps the covariance positive definite.


@dataclass(frozen=True)
class PriorLikelihood:
    """The trials of B studies, padded to the longest; called for the likelihoods.

    Args:
        designs: Their designs.  # (B, n, W)
        squares: The designs, each entry squared.  # (B, n, W)
        values: Rank-normal values, 0 in the padding.  # (B, n)
        mask: 1 for trials, 0 for padding.  # (B, n)
        tuned: 1 for the design columns whose dimension a study tuned, else 0.  # (B, W)
        owners: Dimension of each design column.  # (W,)
        n_dims: D.
    """

    designs: torch.Tensor  # (B, n, W)
    squares: torch.Tensor  # (B, n, W)
    values: torch.Tensor  # (B, n)
    mask: torch.Tensor  # (B, n)
    tuned: torch.Tensor  # (B, W)
    owners: torch.Tensor  # (W,)
    n_dims: int

    @classmethod
    def of(cls, tasks: PaddedTasks, device: str | torch.device) -> PriorLikelihood:
        """Return the likelihood of padded tasks."""
        X, z, is_trial, is_tuned = (
            torch.as_tensor(array, dtype=torch.float64, device=device)
            for array in (
                tasks.designs,
                np.where(tasks.mask, tasks.values, 0.0),
                tasks.mask,
                tasks.tuned[:, tasks.owners],
            )
        )
        owners = torch.as_tensor(tasks.owners, device=device)
        return cls(X, X * X, z, is_trial, is_tuned, owners, tasks.tuned.shape[1])

    def select(self, studies: torch.Tensor) -> PriorLikelihood:
        """Return that of some studies, by their indices (b,)."""
        return replace(
            self,
            designs=self.designs[studies],
            squares=self.squares[studies],
            values=self.values[studies],
            mask=self.mask[studies],
            tuned=self.tuned[studies],
        )

    def __call__(self, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return negative log likelihoods (B,) and their gradients (B, D + 2).

        Args:
            theta: Log precisions, then log amplitude and log noise.  # (B, D + 2)
        """
        amplitude, noise = torch.exp(theta[:, -2]), torch.exp(theta[:, -1])
        precisions = torch.exp(theta[:, : self.n_dims])[:, self.owners] * self.tuned
        K, falling = self._correlations(precisions)
        K *= amplitude[:, None, None]
        falling *= amplitude[:, None, None]
        value, slope = self._slope(K, noise)
        by_amplitude = torch.sum(slope * K, dim=(-2, -1))
        by_noise = noise * torch.sum(torch.diagonal(slope, dim1=-2, dim2=-1) * self.mask, dim=-1)
        by_precision = self._by_dimension(falling.mul_(slope), precisions)
        return value, torch.column_stack([by_precision, by_amplitude, by_noise])

    def _correlations(self, precisions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return correlations R (B, n, n), and their derivative by five squared distances."""
        squares = 5.0 * (self.squares @ precisions[:, :, None])[:, :, 0]
        scaled = self.designs * (-10.0 * precisions)[:, None, :]
        R = torch.baddbmm(squares[:, :, None], scaled, self.designs.mT)
        R = R.add_(squares[:, None, :]).abs_()  # A distance of 0 may be rounded to below.
        root = torch.sqrt(R)
        falling = torch.exp(-root)
        root += 1.0
        R.mul_(1.0 / 3.0).add_(root).mul_(falling)
        falling.mul_(root).mul_(-1.0 / 6.0)
        if self._is_padded:
            pairs = self.mask[:, :, None] * self.mask[:, None, :]
            R, falling = R.mul_(pairs), falling.mul_(pairs)
        return R, falling

    @property
    def _is_padded(self) -> bool:
        return not bool(self.mask.all())

    def _slope(self, K: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return value (B,), infinite where K has no factor, and its derivative by K (B, n, n)."""
        # Padding rows are independent of all others and have variance 1: they add nothing.
        diagonal = (LEAST_NOISE + noise)[:, None] * self.mask + (1.0 - self.mask)
        L, failed = torch.linalg.cholesky_ex(K + torch.diag_embed(diagonal))
        inverse = torch.cholesky_inverse(L)
        solved = inverse @ torch.stack([self.values, self.mask], dim=-1)
        weighted, ones = solved.unbind(-1)
        total = torch.sum(ones * self.mask, dim=-1)  # 1' K^-1 1
        mean = torch.sum(weighted * self.mask, dim=-1) / total
        residual = weighted - mean[:, None] * ones
        log_root = torch.log(torch.diagonal(L, dim1=-2, dim2=-1)).sum(-1)
        value = 0.5 * torch.sum(self.values * residual, dim=-1) + log_root + 0.5 * torch.log(total)
        # (K^-1 - K^-1 1 1' K^-1 / 1' K^-1 1 - residual residual') / 2
        columns = torch.stack([ones / torch.sqrt(total)[:, None], residual], dim=-1)
        slope = torch.baddbmm(inverse, columns, columns.mT, beta=0.5, alpha=-0.5)
        return torch.where((failed == 0) & value.isfinite(), value, torch.inf), slope

    def _by_dimension(self, pairs: torch.Tensor, precisions: torch.Tensor) -> torch.Tensor:
        """Sum pairs (B, n, n), symmetric, times 5 p (x - x')^2 by log precision.  # (B, D)"""
        alone = torch.sum(self.squares * pairs.sum(-1)[:, :, None], dim=1)
        both = torch.sum(self.designs * (pairs @ self.designs), dim=1)
        by_column = 10.0 * precisions * (alone - both)
        by_dimension = by_column.new_zeros(len(by_column), self.n_dims)
        return by_dimension.index_add_(1, self.owners, by_column)
