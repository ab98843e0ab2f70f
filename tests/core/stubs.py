"""What the engine's small functions need of an adapter, and no more."""

from types import SimpleNamespace

import torch
from torch import nn


class HeadOnly:
    """A head over hidden states with one placeholder id."""

    def __init__(self, hidden: int = 6, vocabulary: int = 11, seed: int = 0):
        torch.manual_seed(seed)
        self.head = nn.Linear(hidden, vocabulary)
        self.logits = self.head
        self.placeholder_ids = (3,)
        text = SimpleNamespace(vocab_size=vocabulary)
        self.config = SimpleNamespace(get_text_config=lambda: text)
