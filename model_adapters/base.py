"""The contract between a backbone family and the engine."""

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from jinja2 import TemplateError
from peft import PeftModel, get_peft_model_state_dict, load_peft_weights
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig

from model_adapters.branch_attention import NAME as BRANCHES
from model_adapters.branch_attention import asks_for_sdpa
from model_adapters.branch_layout import BranchLayout
from model_adapters.chat import ChatFormat, Messages
from model_adapters.norms import fuse_norms

Tokens = tuple[int, ...]
PARTS = ("vision_tower", "projector", "language_model")


class AdapterError(Exception):
    """A checkpoint or prompt that an adapter cannot serve, said in one sentence with the cure."""


@dataclass(frozen=True)
class PromptRow:
    """One prompt in words and pixels, on the CPU until its images are looked at.

    Attributes:
        ids: token ids, every image already standing as its `image_ids`.
        images: the family's own tensors of this row's images, or what its tower found in them; opaque to the engine,
            empty for a text-only row.
        image_ids: the ids that stand for each image.
    """

    ids: Tokens
    images: dict[str, Tensor]
    image_ids: tuple[Tokens, ...]

    @property
    def image_tokens(self) -> int:
        """Tokens that stand for images."""
        return sum(map(len, self.image_ids))


@dataclass
class PromptBatch:
    """Rows of every kind in one batch, left-padded.

    Attributes:
        ids_BP: long.
        mask_BP: bool, True where a token stands.
        images: the family's tensors of all rows.
        places: tokens of all rows whose embedding an image feature takes.
        padded: whether there may be padding.
    """

    ids_BP: Tensor
    mask_BP: Tensor
    images: dict[str, Any]
    places: int = 0
    padded: bool = True

    def to(self, device: torch.device) -> "PromptBatch":
        images = {key: value.to(device) for key, value in self.images.items()}
        return replace(self, ids_BP=self.ids_BP.to(device), mask_BP=self.mask_BP.to(device), images=images)


@dataclass
class Prefix:
    """A batch of prompts as the decoder sees them.

    Attributes:
        embeds_BPH: embeddings with the image features in place.
        mask_BP: True where a token stands, False where padding does (on the left).
        positions: `[B, P]`, or `[axes, B, P]` for rotary positions on several axes.
        is_image_BP: True where an image feature stands.
        deep_features: `[image places, H]` each: what the family's decoder adds to the image places inside the stack.
    """

    embeds_BPH: Tensor
    mask_BP: Tensor
    positions: Tensor
    is_image_BP: Tensor
    deep_features: list[Tensor] = field(default_factory=list)

    @property
    def next_position_B(self) -> Tensor:
        """The position that the first token of every branch takes, on every axis."""
        return self.positions.amax(-1).reshape(-1, len(self.mask_BP)).amax(0) + 1

    def select(self, rows: Tensor) -> "Prefix":
        """Some rows only, given by their index, of a prefix that the decoder has seen."""
        positions = self.positions.index_select(-2, rows)
        return Prefix(self.embeds_BPH[rows], self.mask_BP[rows], positions, self.is_image_BP[rows])


class ModelAdapter(ABC):
    """One backbone family. Encoding needs only the processor; `load_model` brings the weights.

    `VisionAdapter` is the base of families that see, `TextAdapter` serves those that only read.
    """

    model_types: ClassVar[tuple[str, ...]]
    """Values of `config.model_type` that this family serves."""
    sees_images: ClassVar[bool]
    modules: ClassVar[dict[str, tuple[str, ...]]] = {}
    """Prefixes of the parameter names of each of PARTS; what matches none belongs to the language model."""
    tuning: ClassVar[dict[str, dict[str, str]]] = {
        "full": {"vision_tower": "frozen", "projector": "full", "language_model": "full"},
        "lora": {"vision_tower": "frozen", "projector": "frozen", "language_model": "lora"},
    }
    """How each part is trained under `model.tuning` unless a run says otherwise."""
    image_marks: ClassVar[str] = ""
    """Regular expression of added tokens that the processor writes around images, where they are not flagged special:
    a user's words must not become them."""
    auto_model: ClassVar[type] = AutoModelForImageTextToText
    """What reads the weights."""

    def __init__(self, checkpoint: str, config, chat_template: str = ""):
        """Reads the processor.

        Args:
            checkpoint: a folder in the Hugging Face layout, or a hub id.
            config: its configuration.
            chat_template: Jinja text that takes the place of the checkpoint's own; empty keeps that.

        Raises:
            AdapterError: no processor can be read, or nobody gives a chat template.
        """
        self.checkpoint = checkpoint
        self.config = config
        try:
            # unless told so, transformers would ask at the terminal whether to run a checkpoint's own code
            self.processor = AutoProcessor.from_pretrained(checkpoint, trust_remote_code=False)
        except (OSError, ValueError, TypeError, ImportError) as error:
            reason = " ".join(str(error).split())[:300]
            raise AdapterError(
                f"{checkpoint}: its processor cannot be read ({reason}); install what it asks for, or copy "
                "the processor's and tokenizer's files from the original checkpoint."
            ) from None
        # some tokenizers are made from nothing where their files are missing
        if not self.tokenizer("a", add_special_tokens=False)["input_ids"]:
            raise AdapterError(
                f"{checkpoint}: its tokenizer knows no words; copy tokenizer.json from the original checkpoint."
            )
        if chat_template:
            self.processor.chat_template = chat_template
        if not self.processor.chat_template:
            raise AdapterError(
                f"{checkpoint}: the processor has no chat template; add a chat_template.jinja file to the checkpoint, "
                "or name such a file with model.chat_template."
            )
        self.model: nn.Module | None = None
        self.additions = ""

    def load_model(self, dtype: torch.dtype, device_map: str | dict | None = None) -> "ModelAdapter":
        """Reads the weights (`from_pretrained`, safetensors, SDPA attention). Returns the adapter itself.

        Args:
            dtype: of the weights.
            device_map: how accelerate spreads a model that is only generated from; None leaves it on the CPU.

        Raises:
            AdapterError: they are missing or broken.
        """
        try:
            self.model = self.auto_model.from_pretrained(
                self.checkpoint,
                dtype=dtype,
                # the engine hands masks over; a teacher is only generated from, whatever its attention
                attn_implementation=None if device_map else "sdpa",
                device_map=device_map,
                trust_remote_code=False,
            )
        except (OSError, SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise AdapterError(f"{self.checkpoint}: the weights cannot be read ({reason}); fetch them again") from None
        if self.additions:
            self.model = self._with_additions()
        return self.take(self.model) if device_map is None else self

    def take(self, model: nn.Module) -> "ModelAdapter":
        """Makes a model of this family, its attention SDPA, the one to compute with. Returns the adapter itself."""
        self.model = model
        fuse_norms(model)
        if not any(asks_for_sdpa(kind) for kind in {type(module) for module in self.decoder.modules()}):
            self.decoder.config._attn_implementation = BRANCHES
        return self

    def _with_additions(self) -> nn.Module:
        """The model with the LoRA adapter of `additions` merged into its weights."""
        try:
            added = PeftModel.from_pretrained(self.model, self.additions)
            # peft itself only warns, and would leave the model as it was
            if strange := load_peft_weights(self.additions).keys() ^ get_peft_model_state_dict(added).keys():
                raise ValueError(f"{len(strange)} tensors such as {min(strange)} have no counterpart")
            return added.merge_and_unload()
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise AdapterError(
                f"{self.additions}: the LoRA adapter does not fit {self.checkpoint} ({reason}); check its "
                "base_model_name_or_path."
            ) from None

    @cached_property
    def chat(self) -> ChatFormat:
        placeholders = self.tokenizer.convert_ids_to_tokens(list(self.placeholder_ids))
        added = [token.content for token in self.tokenizer.added_tokens_decoder.values()]
        marks = [token for token in added if re.fullmatch(self.image_marks, token)]
        return ChatFormat(self.processor, tuple(dict.fromkeys([*placeholders, *marks])))

    def check_template(self) -> None:
        """Renders a question, about an image where the family sees. Raises AdapterError if the template cannot."""
        image = [{"type": "image"}] if self.sees_images else []
        try:
            self.encode_text(
                [{"role": "user", "content": [*image, {"type": "text", "text": "why?"}]}], [()] * len(image)
            )
        except (TemplateError, TypeError) as error:
            raise AdapterError(
                f"{self.checkpoint}: its chat template cannot render a question ({error}); mend it, or name another "
                "with model.chat_template."
            ) from None

    @property
    def tokenizer(self):
        return getattr(self.processor, "tokenizer", self.processor)

    @property
    @abstractmethod
    def placeholder_ids(self) -> Tokens:
        """Ids whose embeddings image features replace: never sampled, never in an answer. Not the marks around them."""

    @property
    @abstractmethod
    def decoder(self) -> nn.Module:
        """The stack of decoder layers, called with embeddings, positions and a 4-D boolean mask."""

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """The head with whatever the family does after it: `[..., H]` to `[..., V]`."""

    @abstractmethod
    def image_ids(self, sizes_hw: list[tuple[int, int]]) -> list[Tokens]:
        """The ids that stand for images of these heights and widths, each in full. Raises AdapterError."""

    @abstractmethod
    def encode_images(self, images: list) -> dict[str, Tensor]:
        """Pillow images to the family's tensors; {} for no images."""

    @abstractmethod
    def embed(self, batch: PromptBatch) -> Prefix:
        """Image tower and token embeddings. A batch without any image still runs the tower, times zero."""

    def limit_pixels(self, least: int, most: int) -> None:
        """Bounds the pixels that an image is scaled to; 0 leaves a bound as the checkpoint has it."""
        raise AdapterError(
            f"{self.checkpoint} ({self.config.model_type}) has no bounds for the pixels of an image: leave out "
            "model.min_pixels and model.max_pixels."
        )

    def part_of(self, name: str) -> str:
        """Which of PARTS a parameter or module of this name belongs to."""
        for part in ("projector", "vision_tower"):
            if f"{name}.".startswith(tuple(f"{prefix}." for prefix in self.modules.get(part, ()))):
                return part
        return "language_model"

    def linear_layers(self, part: str) -> list[str]:
        """Names of the linear layers of a part, where LoRA may land; the head is not among them."""
        head = self.model.get_output_embeddings()
        return [
            name
            for name, layer in self.model.named_modules()
            if isinstance(layer, nn.Linear) and layer is not head and self.part_of(name) == part
        ]

    @property
    def max_positions(self) -> int:
        """The longest sequence, prompt and answer together, that the decoder was made for.

        Inside its window a layer with sliding attention sees everything, so that is as long as a sequence may be.
        """
        text = self.config.get_text_config()
        window = getattr(text, "sliding_window", None) if getattr(text, "use_sliding_window", True) else None
        return min(text.max_position_embeddings, window or text.max_position_embeddings)

    @cached_property
    def stop_ids(self) -> Tokens:
        """Tokens that end an answer; the first one is written after answers that we train on."""
        try:
            eos = GenerationConfig.from_pretrained(self.checkpoint).eos_token_id
        except OSError:  # a checkpoint without generation_config.json
            eos = None
        listed = eos if isinstance(eos, list) else [eos]
        return tuple(dict.fromkeys(i for i in (self.tokenizer.eos_token_id, *listed) if i is not None))

    def encode_text(self, messages: Messages, image_ids: Sequence[Tokens]) -> Tokens:
        """Ids of a prompt whose images, in their order of appearance, stand as `image_ids`."""
        rendered, ids = self.chat.encode(messages), []
        if (places := sum(token in self.placeholder_ids for token in rendered)) != len(image_ids):
            raise AdapterError(
                f"{self.checkpoint}: its chat template writes {places} placeholders for {len(image_ids)} image(s) of a "
                "prompt; mend it, or name another with model.chat_template."
            )
        runs = iter(image_ids)
        for token in rendered:
            ids.extend(next(runs) if token in self.placeholder_ids else [token])
        return tuple(ids)

    def encode(self, messages: Messages) -> PromptRow:
        """One prompt, whose image parts hold Pillow images, to its ids and image tensors."""
        images = [p["image"] for m in messages for p in m["content"] if p["type"] == "image"]
        image_ids = tuple(self.image_ids([(image.height, image.width) for image in images]))
        return PromptRow(self.encode_text(messages, image_ids), self.encode_images(images), image_ids)

    def encode_answer(self, text: str) -> Tokens:
        """Ids of an answer, closed by the end-of-answer token."""
        return (*self.chat.encode_answer(text), self.stop_ids[0])

    def collate(self, rows: list[PromptRow]) -> PromptBatch:
        """Left-pads the ids and joins each image tensor over the rows that have it."""
        longest = max(len(row.ids) for row in rows)
        pad = self.tokenizer.pad_token_id or 0
        ids_BP = torch.tensor([[pad] * (longest - len(row.ids)) + list(row.ids) for row in rows])
        mask_BP = torch.tensor([[False] * (longest - len(row.ids)) + [True] * len(row.ids) for row in rows])
        keys = dict.fromkeys(key for row in rows for key in row.images)
        images = {key: self._joined(key, [row.images[key] for row in rows if key in row.images]) for key in keys}
        places = sum(row.ids.count(token) for row in rows for token in self.placeholder_ids)
        return PromptBatch(ids_BP, mask_BP, images, places, padded=not mask_BP.all().item())

    def _joined(self, key: str, tensors: list[Tensor]) -> Tensor:
        try:
            return torch.cat(tensors)
        except RuntimeError as error:
            shapes = " and ".join(str(list(shape)) for shape in dict.fromkeys(tensor.shape for tensor in tensors))
            raise AdapterError(
                f"{type(self).__name__}.encode_images gives '{key}' in shapes {shapes}, which cannot be joined along "
                f"the first axis ({str(error).splitlines()[0]})."
            ) from None

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """Embeddings of plain text tokens, `[...]` to `[..., H]`."""
        return self.model.get_input_embeddings()(ids)

    def positions(self, batch: PromptBatch) -> Tensor:
        """Position of every prefix token, `[B, P]` or `[axes, B, P]`; padding has 0."""
        return (batch.mask_BP.long().cumsum(-1) - 1).clamp(min=0)

    def branch_positions(self, prefix: Prefix, depth_BT: Tensor) -> Tensor:
        """Positions of branch tokens that stand `depth_BT` tokens after the end of the prefix."""
        positions_BT = prefix.next_position_B[:, None] + depth_BT
        return positions_BT.expand(*prefix.positions.shape[:-2], *positions_BT.shape)

    def prefix_inputs(self, prefix: Prefix, length: int) -> dict[str, Any]:
        """What else the decoder takes with a prefix, alone or with branches behind it, `length` tokens in all."""
        return {}

    def decode_states(
        self,
        embeds_BLH: Tensor,
        positions: Tensor,
        mask_B1LS: Tensor | None,
        cache=None,
        prefix: Prefix | None = None,
        layout: BranchLayout | None = None,
    ) -> Tensor:
        """Last hidden states `[B, L, H]` under a 4-D boolean mask (True: may attend).

        Args:
            embeds_BLH: embeddings of L tokens a row.
            positions: `[B, L]`, or `[axes, B, L]`.
            mask_B1LS: which of the S tokens, those in the cache included, each of the L may attend to.
            cache: of earlier tokens; None keeps nothing.
            prefix: what the tokens begin with, if they begin with a prefix.
            layout: of a prefix and branches, what says the same as the mask and costs less.
        """
        return self.decoder(
            **({"branch_layout": layout} if layout and self.takes_layouts else {}),
            **(self.prefix_inputs(prefix, embeds_BLH.shape[1]) if prefix else {}),
            inputs_embeds=embeds_BLH,
            position_ids=positions,
            attention_mask=mask_B1LS,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state

    @cached_property
    def takes_layouts(self) -> bool:
        """Whether the decoder's attention is ours, and the decoder takes what it does not know to hand it on."""
        kinds = [each.kind for each in inspect.signature(self.decoder.forward).parameters.values()]
        return self.decoder.config._attn_implementation == BRANCHES and inspect.Parameter.VAR_KEYWORD in kinds

    def stock_inputs(self, batch: PromptBatch) -> dict[str, Tensor]:
        """A batch as the family's own `generate` takes it, for a teacher that is only asked."""
        return {"input_ids": batch.ids_BP, "attention_mask": batch.mask_BP.long(), **batch.images}

    def save(self, folder: str | Path, weights: dict[str, Tensor] | None = None) -> None:
        """A plain Hugging Face checkpoint with the processor; `use_cache` is on, as inference wants it.

        Args:
            folder: where it goes.
            weights: state dict of the plain model, if the model's own weights are not whole or not plain.
        """
        for config in (self.model.config, self.model.config.get_text_config()):
            config.use_cache = True
        self.model.save_pretrained(folder, state_dict=weights)
        self.processor.save_pretrained(folder)
