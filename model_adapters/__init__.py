"""One file per backbone family. An adapter ends at embeddings: past `embed`, nothing knows one family from another."""

from model_adapters.base import PARTS, AdapterError, ModelAdapter, Prefix, PromptBatch, PromptRow, Tokens
from model_adapters.branch_layout import BranchLayout, causal_mask
from model_adapters.registry import adapter_for, known_model_types
from model_adapters.vision import VisionAdapter

__all__ = [
    "PARTS",
    "AdapterError",
    "BranchLayout",
    "ModelAdapter",
    "Prefix",
    "PromptBatch",
    "PromptRow",
    "Tokens",
    "VisionAdapter",
    "adapter_for",
    "causal_mask",
    "known_model_types",
]
