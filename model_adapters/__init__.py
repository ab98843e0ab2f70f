"""One file per backbone family. An adapter ends at embeddings: past `embed`, nothing knows one family from another."""

from model_adapters.base import AdapterError, ModelAdapter, Prefix, PromptBatch, PromptRow
from model_adapters.registry import adapter_for, known_model_types

__all__ = ["AdapterError", "ModelAdapter", "Prefix", "PromptBatch", "PromptRow", "adapter_for", "known_model_types"]
