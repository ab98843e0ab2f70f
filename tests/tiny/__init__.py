"""Tiny checkpoints with random weights, one per `config.model_type`, built offline in well under a second.

python -m tests.tiny qwen3_vl FOLDER
"""

from tests.tiny.llava import tiny_llava, tiny_llava_next
from tests.tiny.qwen_vl import tiny_qwen2_5_vl, tiny_qwen2_vl, tiny_qwen3_vl
from tests.tiny.text import CHATML_TEMPLATE, tiny_llama, tiny_qwen2, tiny_text

__all__ = ["CHATML_TEMPLATE", "FAMILIES", "tiny_llama", "tiny_llava", "tiny_qwen2", "tiny_qwen2_5_vl", "tiny_text"]

FAMILIES = {
    "llava": tiny_llava,
    "llava_next": tiny_llava_next,
    "qwen2_vl": tiny_qwen2_vl,
    "qwen2_5_vl": tiny_qwen2_5_vl,
    "qwen3_vl": tiny_qwen3_vl,
    "qwen2": tiny_qwen2,
    "llama": tiny_llama,
}
