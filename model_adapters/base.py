"""The contract between a backbone family and the engine."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig

from model_adapters.chat import ChatFormat, Messages


class AdapterError(Exception):
    """A checkpoint or prompt that an adapter cannot serve, said in one sentence with the cure."""


@dataclass(frozen=True)
class PromptRow:
    """One prompt in words and pixels, on the CPU.

    Attributes:
        ids: token ids, every image already standing as its full run of placeholders.
        images: the family's own tensors of this row's images; opaque to the engine, empty for a text-only row.
        image_tokens: placeholders of each image.
    """

    ids: tuple[int, ...]
    images: dict[str, Tensor]
    image_tokens: tuple[int, ...]


@dataclass
class PromptBatch:
    """Rows of every kind in one batch, left-padded: `ids_BP` long, `mask_BP` bool, `images` the family's tensors."""

    ids_BP: Tensor
    mask_BP: Tensor
    images: dict[str, Any]

    def to(self, device: torch.device) -> "PromptBatch":
        images = {key: value.to(device) for key, value in self.images.items()}
        return PromptBatch(self.ids_BP.to(device), self.mask_BP.to(device), images)


@dataclass
class Prefix:
    """A batch of prompts as the decoder sees them.

    Attributes:
        embeds_BPH: embeddings with the image features in place.
        mask_BP: True where a token stands, False where padding does (on the left).
        positions: `[B, P]`, or `[axes, B, P]` for rotary positions on several axes.
        next_position_B: the position that the first token of every branch takes.
    """

    embeds_BPH: Tensor
    mask_BP: Tensor
    positions: Tensor
    next_position_B: Tensor

    def select(self, rows: Tensor) -> "Prefix":
        """The prefix of some rows only, given by their index."""
        positions = self.positions.index_select(-2, rows)
        return Prefix(self.embeds_BPH[rows], self.mask_BP[rows], positions, self.next_position_B[rows])


class ModelAdapter(ABC):
    """One backbone family. Encoding needs only the processor; `load_model` brings the weights.

    A family sets the class attributes and writes `image_token_counts`, `encode_images`, `embed`, and the properties
    that name its parts. Text-only families set `sees_images = False`.
    """

    model_types: ClassVar[tuple[str, ...]]
    sees_images: ClassVar[bool]
    vision_modules: ClassVar[tuple[str, ...]]
    """Prefixes of the parameter names that are frozen: the image tower."""
    lora_targets: ClassVar[str]
    """Regular expression over module names: where LoRA lands."""

    auto_model: ClassVar[type] = AutoModelForImageTextToText
    """What reads the weights."""

    def __init__(self, checkpoint: str, config):
        self.checkpoint = checkpoint
        self.config = config
        # unless told so, transformers would ask at the terminal whether to run a checkpoint's own code
        self.processor = AutoProcessor.from_pretrained(checkpoint, trust_remote_code=False)
        if not self.processor.chat_template:
            raise AdapterError(
                f"{checkpoint}: the processor has no chat template; add a chat_template.jinja file to the checkpoint."
            )
        self.model: nn.Module | None = None

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
                attn_implementation="sdpa",
                device_map=device_map,
                trust_remote_code=False,
            )
        except (OSError, SafetensorError) as error:
            reason = str(error).splitlines()[0]
            raise AdapterError(f"{self.checkpoint}: the weights cannot be read ({reason}); fetch them again") from None
        return self

    @cached_property
    def chat(self) -> ChatFormat:
        return ChatFormat(self.processor, tuple(self.tokenizer.convert_ids_to_tokens(list(self.placeholder_ids))))

    @property
    def tokenizer(self):
        return getattr(self.processor, "tokenizer", self.processor)

    @property
    @abstractmethod
    def placeholder_ids(self) -> tuple[int, ...]:
        """Ids that stand for image content: never sampled, never in an answer."""

    @property
    @abstractmethod
    def decoder(self) -> nn.Module:
        """The stack of decoder layers, called with embeddings, positions and a 4-D boolean mask."""

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """The head with whatever the family does after it: `[..., H]` to `[..., V]`."""

    @abstractmethod
    def image_token_counts(self, sizes_hw: list[tuple[int, int]]) -> list[int]:
        """Placeholders that images of these heights and widths take."""

    @abstractmethod
    def encode_images(self, images: list) -> dict[str, Tensor]:
        """Pillow images to the family's tensors; {} for no images."""

    @abstractmethod
    def embed(self, batch: PromptBatch) -> Prefix:
        """Image tower and token embeddings. A batch without any image still runs the tower, times zero."""

    @property
    def max_positions(self) -> int:
        """The longest sequence, prompt and answer together, that the decoder was made for."""
        return self.config.get_text_config().max_position_embeddings

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """Tokens that end an answer; the first one is written after answers that we train on."""
        try:
            eos = GenerationConfig.from_pretrained(self.checkpoint).eos_token_id
        except OSError:  # a checkpoint without generation_config.json
            eos = None
        listed = eos if isinstance(eos, list) else [eos]
        return tuple(dict.fromkeys(i for i in (self.tokenizer.eos_token_id, *listed) if i is not None))

    def encode_text(self, messages: Messages, image_tokens: tuple[int, ...]) -> tuple[int, ...]:
        """Ids of a prompt whose images take `image_tokens` placeholders each, in their order of appearance."""
        counts = iter(image_tokens)
        ids: list[int] = []
        for token in self.chat.encode(messages):
            ids.extend([token] * next(counts) if token in self.placeholder_ids else [token])
        return tuple(ids)

    def encode(self, messages: Messages) -> PromptRow:
        """One prompt, whose image parts hold Pillow images, to its ids and image tensors."""
        images = [p["image"] for m in messages for p in m["content"] if p["type"] == "image"]
        counts = tuple(self.image_token_counts([(image.height, image.width) for image in images]))
        return PromptRow(self.encode_text(messages, counts), self.encode_images(images), counts)

    def encode_answer(self, text: str) -> tuple[int, ...]:
        """Ids of an answer, closed by the end-of-answer token."""
        return (*self.chat.encode_answer(text), self.stop_ids[0])

    def collate(self, rows: list[PromptRow]) -> PromptBatch:
        """Left-pads the ids and joins each image tensor over the rows that have it."""
        longest = max(len(row.ids) for row in rows)
        pad = self.tokenizer.pad_token_id or 0
        ids_BP = torch.tensor([[pad] * (longest - len(row.ids)) + list(row.ids) for row in rows])
        mask_BP = torch.tensor([[False] * (longest - len(row.ids)) + [True] * len(row.ids) for row in rows])
        keys = dict.fromkeys(key for row in rows for key in row.images)
        images = {key: torch.cat([row.images[key] for row in rows if key in row.images]) for key in keys}
        return PromptBatch(ids_BP, mask_BP, images)

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """Embeddings of plain text tokens, `[...]` to `[..., H]`."""
        return self.model.get_input_embeddings()(ids)

    def branch_positions(self, prefix: Prefix, depth_BT: Tensor) -> Tensor:
        """Positions of branch tokens that stand `depth_BT` tokens after the end of the prefix."""
        positions_BT = prefix.next_position_B[:, None] + depth_BT
        return positions_BT.expand(*prefix.positions.shape[:-2], *positions_BT.shape)

    def decode_states(self, embeds_BLH: Tensor, positions: Tensor, mask_B1LS: Tensor, cache=None) -> Tensor:
        """Last hidden states `[B, L, H]` under a 4-D boolean mask (True: may attend)."""
        return self.decoder(
            inputs_embeds=embeds_BLH,
            position_ids=positions,
            attention_mask=mask_B1LS,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state

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
