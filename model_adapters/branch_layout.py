"""Where the tokens of a prefix and its branches stand in a row, and which of them see which."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from model_adapters.causal_blocks import Block, blocks


@dataclass(frozen=True)
class BranchLayout:
    """Which of a row's tokens, some or all of the prefix's P and then S of branches, stand where in its branches.

    Attributes:
        prefix_mask_BP: bool, False where padding stands.
        padded: whether there is padding; False lets kernels skip half of the prefix.
        place_BKT: of token t of branch k among the row's S, -1 where there is none.
        branch_BS, depth_BS: the same the other way round, -1 for padding's branch.
    """

    prefix_mask_BP: Tensor
    padded: bool
    place_BKT: Tensor
    branch_BS: Tensor
    depth_BS: Tensor

    @classmethod
    def of_prefixes(cls, mask_BP: Tensor, padded: bool) -> "BranchLayout":
        """No branch stands behind the prefixes."""
        none_BS = torch.empty(len(mask_BP), 0, dtype=torch.long, device=mask_BP.device)
        return cls(mask_BP, padded, none_BS[..., None], none_BS, none_BS)

    @property
    def alone(self) -> bool:
        """Whether no branch stands behind the prefixes."""
        return not self.branch_BS.shape[1]

    @cached_property
    def sees_NTL(self) -> Tensor:
        """What the T tokens of each of the N = B K branches see of the prefix and of their own branch."""
        B, K, T = self.place_BKT.shape
        own_BKTT = causal_mask(self.place_BKT.flatten(0, 1) >= 0).view(B, K, T, T)
        prefix_BKTP = self.prefix_mask_BP[:, None, None].expand(-1, K, T, -1)
        return torch.cat([prefix_BKTP, own_BKTT], dim=-1).flatten(0, 1)[:, None]

    @cached_property
    def prefix_sees_PP(self) -> Tensor:
        return causal_mask(self.prefix_mask_BP)

    @cached_property
    def causal_blocks(self) -> list[Block]:
        return blocks(self.prefix_mask_BP, self.padded)

    @cached_property
    def nobody_N1T(self) -> Tensor:
        """Places of the N = B K branches that hold no token."""
        return (self.place_BKT < 0).flatten(0, 1)[:, None]

    @cached_property
    def padding_B1S1(self) -> Tensor:
        """Where padding stands behind a row's branches."""
        return (self.branch_BS < 0)[:, None, :, None]

    @cached_property
    def _place_N(self) -> Tensor:
        """Row of the flattened `[B K T]` that holds each branch token."""
        B, K, T = self.place_BKT.shape
        first_B = torch.arange(B, device=self.place_BKT.device) * K
        return ((first_B[:, None] + self.branch_BS.clamp(min=0)) * T + self.depth_BS).flatten()

    def cut(self, states_BhL: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, heads, L]` or `[B, heads, L, D]` of prefix and branches to those of each."""
        return states_BhL.tensor_split((states_BhL.shape[2] - self.branch_BS.shape[1],), dim=2)

    def spread(self, states_BhLD: Tensor) -> Tensor:
        """The branch tokens, the last S of each row, as rows: `[B, heads, L, D]` to `[B, K, heads, T, D]`."""
        (_, h, L, D), (B, K, T) = states_BhLD.shape, self.place_BKT.shape
        first_B = torch.arange(1, B + 1, device=self.place_BKT.device) * L - self.branch_BS.shape[1]
        flat = states_BhLD.transpose(1, 2).reshape(-1, h * D)
        flat = flat.index_select(0, (first_B[:, None, None] + self.place_BKT.clamp(min=0)).flatten())
        return flat.view(B, K, T, h, D).transpose(2, 3)

    def gather(self, states_NhTD: Tensor) -> Tensor:
        """Branches as rows back to tokens: `[B K, heads, T, D]` to `[B, heads, S, D]`."""
        _, h, _, D = states_NhTD.shape
        flat = states_NhTD.transpose(1, 2).reshape(-1, h * D).index_select(0, self._place_N)
        return flat.view(*self.branch_BS.shape, h, D).transpose(1, 2)


def causal_mask(stands_BL: Tensor) -> Tensor:
    """Mask of a sequence alone, `[B, 1, L, L]`; padding sees itself, so that no row of the softmax is empty.

    Args:
        stands_BL: bool, where a token stands.
    """
    L, device = stands_BL.shape[1], stands_BL.device
    causal_LL = torch.ones(L, L, dtype=torch.bool, device=device).tril()
    return (stands_BL[:, None] & causal_LL | torch.eye(L, dtype=torch.bool, device=device))[:, None]
