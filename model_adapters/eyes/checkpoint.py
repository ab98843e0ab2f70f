"""open_clip models from local files: what is there, whether it can be trusted, and the model.

open_clip itself gives random weights for a folder without any, and fetches what a configuration names on the hub; both
are refused here, before it is asked.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from model_adapters.base import AdapterError

CONFIG = "open_clip_config.json"
WEIGHTS = (".safetensors", ".bin", ".pth")
READ = (*WEIGHTS, ".json", ".txt", ".model")
"""How the files end that a model of a folder may be read from."""


@dataclass(frozen=True)
class Source:
    """Where a model lies.

    Attributes:
        path: a folder with open_clip_config.json and weights, or a weights file.
        architecture: open_clip's name for the model of a weights file; empty for a folder.
    """

    path: Path
    architecture: str = ""

    @property
    def files(self) -> list[Path]:
        """What the model is read from, in the order of the names."""
        if self.path.is_file():
            return [self.path]
        return sorted(file for file in self.path.iterdir() if file.is_file() and file.suffix in READ)


@dataclass(frozen=True)
class OpenClip:
    """A loaded model with its tokenizer; `pixels` makes `[3, H, W]` of a Pillow image."""

    model: nn.Module
    pixels: Callable[[Image.Image], Tensor]
    tokenizer: Any
    device: torch.device

    def batch(self, images: list[Image.Image]) -> Tensor:
        """Images as the model takes them, `[B, 3, H, W]`."""
        return torch.stack([self.pixels(image) for image in images]).to(self.device)


def find(checkpoint: str, architecture: str, key: str = "eyes.architecture") -> Source:
    """The model of a folder or weights file, looked over without reading the weights.

    Args:
        checkpoint: the folder or file.
        architecture: open_clip's name for the model of a weights file; empty for a folder.
        key: what the user sets the architecture with, for errors.

    Raises:
        AdapterError: it is not there, is no open_clip model, or would be completed from the network.
    """
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return _folder(path, architecture, key)
    if not path.is_file():
        raise AdapterError(
            f"{checkpoint}: no such folder or file; fetch an open_clip model first and give its folder, because "
            "nothing is downloaded here."
        )
    if not architecture:
        raise AdapterError(f"{checkpoint} is a weights file: say with {key} which open_clip model it is.")
    import open_clip

    if (config := open_clip.get_model_config(architecture)) is None:
        raise AdapterError(f"{key}={architecture}: open_clip knows no such model (open_clip.list_models()).")
    if config["text_cfg"].get("hf_tokenizer_name"):
        raise AdapterError(
            f"{checkpoint}: open_clip would fetch the tokenizer of {architecture} from the hub; give a folder that "
            f"holds {CONFIG}, the weights and the tokenizer."
        )
    _refuse_hub(checkpoint, config)
    return Source(path, architecture)


def _folder(path: Path, architecture: str, key: str) -> Source:
    if architecture:
        raise AdapterError(f"{path}: its {CONFIG} says what the model is; leave {key} empty.")
    try:
        _refuse_hub(str(path), json.loads((path / CONFIG).read_text(encoding="utf-8"))["model_cfg"])
    except FileNotFoundError:
        raise AdapterError(
            f"{path} holds no {CONFIG}; give the folder of an open_clip model, or a weights file and {key}."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AdapterError(f"{path / CONFIG} is no open_clip configuration ({error!r}); fetch it again.") from None
    if not any(file.suffix in WEIGHTS for file in path.iterdir()):
        raise AdapterError(f"{path} holds no weights ({', '.join(WEIGHTS)}); fetch the whole model.")
    return Source(path)


def _refuse_hub(where: str, config: dict[str, Any]) -> None:
    text, vision = config["text_cfg"].get("hf_model_name") or "", config["vision_cfg"].get("timm_model_name") or ""
    if name := text or (vision if ":" in vision else ""):
        raise AdapterError(
            f"{where}: open_clip would fetch the configuration of its part {name} from the hub; choose a model whose "
            "towers are open_clip's own."
        )


def load(source: Source) -> OpenClip:
    """Reads the weights, on the GPU where there is one.

    Raises:
        AdapterError: open_clip cannot be imported, or the files do not make the model.
    """
    path = source.path.resolve()
    # an absolute path is never one of open_clip's names for what it can download
    name, weights = (source.architecture, str(path)) if source.architecture else (f"local-dir:{path}", None)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with _quiet(), _named(source.path):
        # takes seconds, which a run whose images are all described does not spend
        import open_clip

        model, pixels = open_clip.create_model_from_pretrained(name, weights, device=device)
        hugging_face = open_clip.get_model_config(name)["text_cfg"].get("hf_tokenizer_name")
        # unless told so, transformers would run a checkpoint's own code, or ask at the terminal whether to
        tokenizer = open_clip.get_tokenizer(name, **({"trust_remote_code": False} if hugging_face else {}))
        return OpenClip(model.eval().requires_grad_(False), pixels, tokenizer, device)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # open_clip raises whatever its parts raise: OSError, RuntimeError, TypeError, KeyError…
        reason = " ".join(str(error).split())[:200]
        raise AdapterError(
            f"{path}: open_clip cannot load the model ({type(error).__name__}: {reason}); fetch it again, or choose "
            "another one."
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip speaks through the root logger, even of what is as it should be."""
    before = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.root.setLevel(before)
