"""Which adapter serves which `config.model_type`."""

import re
from pathlib import Path

from transformers import AutoConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from model_adapters.base import AdapterError, ModelAdapter
from model_adapters.llava import LlavaAdapter
from model_adapters.text import TextAdapter

ADAPTERS: tuple[type[ModelAdapter], ...] = (LlavaAdapter,)
TEXT_ONLY = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
"""Every `config.model_type` that transformers has a causal language model for."""
_BY_MODEL_TYPE = {model_type: adapter for adapter in ADAPTERS for model_type in adapter.model_types}


def known_model_types() -> tuple[str, ...]:
    """Every `config.model_type` that an adapter serves."""
    return tuple(_BY_MODEL_TYPE)


def adapter_for(checkpoint: str | Path) -> ModelAdapter:
    """The adapter of a checkpoint, its configuration and processor read and its weights not yet.

    Args:
        checkpoint: a folder in the Hugging Face layout, or a hub id.

    Raises:
        AdapterError: nothing readable there, or a family that no adapter serves.
    """
    here, is_name = Path(checkpoint), re.fullmatch(r"[\w.-]+/[\w.-]+", str(checkpoint))
    # beside other folders of this machine it is a path that went wrong, not a name to ask the hub for
    if not here.is_dir() and (not is_name or here.parent.is_dir()):
        raise AdapterError(f"{checkpoint}: no such folder, and no hub id (owner/name) either; check the name.")
    try:
        config = AutoConfig.from_pretrained(checkpoint, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise AdapterError(f"{checkpoint}: no Hugging Face checkpoint could be read there ({reason})") from None
    family = _BY_MODEL_TYPE.get(config.model_type) or (TextAdapter if config.model_type in TEXT_ONLY else None)
    if family is None:
        known = ", ".join(sorted(_BY_MODEL_TYPE))
        raise AdapterError(
            f"{checkpoint}: config.json says model_type '{config.model_type}', which no adapter serves; known are "
            f"{known} and, text-only, the causal language models of transformers. Choose a checkpoint of one of these "
            "or write an adapter (docs/adding_a_backbone.md)."
        )
    return family(str(checkpoint), config)
