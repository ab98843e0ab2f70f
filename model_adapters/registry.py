"""Which adapter serves which `config.model_type`: ours, those of installed packages, or one that is named."""

import json
import pkgutil
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

from transformers import AutoConfig
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from model_adapters.base import AdapterError, ModelAdapter
from model_adapters.llava import LlavaAdapter
from model_adapters.llava_next import LlavaNextAdapter
from model_adapters.qwen_vl import Qwen3VLAdapter, QwenVLAdapter
from model_adapters.text import TextAdapter

ADAPTERS: tuple[type[ModelAdapter], ...] = (LlavaAdapter, LlavaNextAdapter, QwenVLAdapter, Qwen3VLAdapter)
TEXT_ONLY = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.keys() - MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.keys()
"""Every `config.model_type` that transformers has a causal language model for and that sees nothing."""
ADAPTER_CONFIG = "adapter_config.json"
"""What makes a folder that of a LoRA adapter."""
ENTRY_POINTS = "vlrlcd.adapters"
"""Group of entry points under which another package offers its adapters."""


def known_model_types() -> tuple[str, ...]:
    """Every `config.model_type` that an adapter of this package serves by name."""
    return tuple(model_type for adapter in ADAPTERS for model_type in adapter.model_types)


def adapter_for(
    checkpoint: str | Path, adapter: str = "", chat_template: str = "", min_pixels: int = 0, max_pixels: int = 0
) -> ModelAdapter:
    """The adapter of a checkpoint, its configuration and processor read and its weights not yet.

    Args:
        checkpoint: a folder in the Hugging Face layout, a hub id, or the folder of a LoRA adapter of peft, whose base
            model is read and which is merged in.
        adapter: `module:Class`, looked for in the current folder too; empty looks the checkpoint's model_type up.
        chat_template: a Jinja file that takes the place of the checkpoint's own template.
        min_pixels: least pixels that an image is scaled to; 0 is the checkpoint's own bound.
        max_pixels: most pixels; 0 is the checkpoint's own bound.

    Raises:
        AdapterError: nothing readable there, a family that no adapter serves, or an option that it does not have.
    """
    here, is_name = Path(checkpoint), re.fullmatch(r"[\w.-]+/[\w.-]+", str(checkpoint))
    # beside other folders of this machine it is a path that went wrong, not a name to ask the hub for
    if not here.is_dir() and (not is_name or here.parent.is_dir()):
        raise AdapterError(f"{checkpoint}: no such folder, and no hub id (owner/name) either; check the name.")
    if (here / ADAPTER_CONFIG).is_file():
        found = adapter_for(_base_of(here), adapter, chat_template, min_pixels, max_pixels)
        found.additions = str(checkpoint)
        return found
    try:
        config = AutoConfig.from_pretrained(checkpoint, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise AdapterError(f"{checkpoint}: no Hugging Face checkpoint could be read there ({reason})") from None
    family = _named(adapter) if adapter else _family(checkpoint, config.model_type)
    found = family(str(checkpoint), config, _read(chat_template))
    found.check_template()
    if min_pixels or max_pixels:
        found.limit_pixels(min_pixels, max_pixels)
    return found


def _base_of(folder: Path) -> str:
    try:
        base = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdapterError(
            f"{folder / ADAPTER_CONFIG} names no base model ({error!r}); save the adapter anew."
        ) from None
    return str(base)


def _named(adapter: str) -> type[ModelAdapter]:
    # a script's own folder is on the path, the folder that it is started in is not
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    return _imported(adapter, "the adapter")


def _imported(name: str, said: str) -> type[ModelAdapter]:
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise AdapterError(
            f"{said} {name} cannot be imported ({error}); write it as module:Class, with the module "
            "in the current folder, on PYTHONPATH or installed."
        ) from None
    if not (isinstance(found, type) and issubclass(found, ModelAdapter)):
        raise AdapterError(f"{said} {name} is no class derived from model_adapters.ModelAdapter.")
    return found


def _family(checkpoint: str | Path, model_type: str) -> type[ModelAdapter]:
    points = entry_points(group=ENTRY_POINTS)
    offered = [*ADAPTERS, *(_imported(point.value, f"the adapter of entry point {point.name},") for point in points)]
    serving = [adapter for adapter in dict.fromkeys(offered) if model_type in adapter.model_types]
    if len(serving) > 1:
        rivals = " and ".join(f"{adapter.__module__}:{adapter.__qualname__}" for adapter in serving)
        raise AdapterError(f"model_type '{model_type}' is served by {rivals}: choose one with model.adapter.")
    if serving:
        return serving[0]
    if model_type in TEXT_ONLY:
        return TextAdapter
    known = ", ".join(sorted(model_type for adapter in offered for model_type in adapter.model_types))
    raise AdapterError(
        f"{checkpoint}: config.json says model_type '{model_type}', which no adapter serves; known are {known} and, "
        "text-only, the causal language models of transformers that see nothing. Choose a checkpoint of one of these "
        "or write an adapter (docs/adding_a_backbone.md)."
    )


def _read(chat_template: str) -> str:
    if not chat_template:
        return ""
    try:
        return Path(chat_template).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AdapterError(f"model.chat_template={chat_template} cannot be read ({error}).") from None
