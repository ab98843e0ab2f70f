"""What families that see have in common: image features take the places of placeholder tokens."""

from abc import abstractmethod
from dataclasses import replace
from functools import cached_property
from operator import attrgetter
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor, nn

from model_adapters.base import AdapterError, ModelAdapter, Prefix, PromptBatch, PromptRow, Tokens

BLANK_SIDE = 64
SEEN = "seen."
"""What begins the names of image features that stand in a row in the place of its pixels."""
HANDED = "handed."
"""The same of what a frozen tower hands to a projector that trains."""
TEXT_TENSORS = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")


class VisionAdapter(ModelAdapter):
    """A family with an image tower. It writes `image_features`; what transformers names otherwise, it overrides."""

    sees_images = True
    modules: ClassVar[dict[str, tuple[str, ...]]] = {
        "vision_tower": ("model.vision_tower",),
        "projector": ("model.multi_modal_projector",),
    }
    processor_needs: ClassVar[tuple[str, ...]] = ()
    """Attributes of the processor, dotted, without which images cannot be encoded or counted."""

    def __init__(self, checkpoint: str, config, chat_template: str = ""):
        super().__init__(checkpoint, config, chat_template)
        lacking = [name for name in ("image_processor", *self.processor_needs) if not self._processor_has(name)]
        if lacking:
            raise AdapterError(
                f"{checkpoint}: the processor lacks {', '.join(lacking)}, which model_type '{config.model_type}' "
                "needs; copy the processor's files (processor_config.json, preprocessor_config.json) from the original "
                "checkpoint."
            )

    def _processor_has(self, name: str) -> bool:
        try:
            return attrgetter(name)(self.processor) is not None
        except AttributeError:
            return False

    @property
    def placeholder_ids(self) -> Tokens:
        return (self.config.image_token_id,)

    @property
    def decoder(self) -> nn.Module:
        return self.model.model.language_model

    def logits(self, hidden: Tensor) -> Tensor:
        return self.model.lm_head(hidden)

    @abstractmethod
    def image_features(self, images: dict[str, Tensor]) -> list[Tensor]:
        """The tower's output for the family's tensors, `[image places, H]` in the order of the images.

        More tensors of this shape after the first are `Prefix.deep_features`. Pixels have the embeddings' dtype.
        """

    def image_token_counts(self, sizes_hw: list[tuple[int, int]]) -> list[int]:
        """Placeholders that images of these heights and widths take, for `image_ids`, which alone asks for them.

        Raises ValueError for an image that it cannot take.
        """
        return self.processor._get_num_multimodal_tokens(image_sizes=sizes_hw)["num_image_tokens"]

    def image_ids(self, sizes_hw: list[tuple[int, int]]) -> list[Tokens]:
        found = []
        for height, width in sizes_hw:
            try:
                (count,) = self.image_token_counts([(height, width)])
            except ValueError as error:
                raise self._unfit(height, width, str(error)) from None
            except AttributeError as error:
                raise AdapterError(
                    f"{type(self).__name__}: its processor does not tell how many tokens an image takes ({error}); "
                    "write image_token_counts or image_ids."
                ) from None
            if count < 1:
                raise self._unfit(height, width, "it is smaller than one token")
            found.append((self.config.image_token_id,) * count)
        return found

    def _unfit(self, height: int, width: int, reason: str) -> AdapterError:
        return AdapterError(
            f"an image {width} pixels wide and {height} high cannot be shown to model_type '{self.config.model_type}' "
            f"({reason}); crop or scale it, or leave the row out"
        )

    def encode_images(self, images: list) -> dict[str, Tensor]:
        if not images:
            return {}
        # the whole processor and not its image processor alone: it may hand that settings of its own
        places = self.tokenizer.convert_ids_to_tokens(self.config.image_token_id) * len(images)
        encoded = self.processor(text=[places], images=images, return_tensors="pt")
        return {name: value for name, value in encoded.items() if name not in TEXT_TENSORS}

    @cached_property
    def _blank(self) -> dict[str, Tensor]:
        return self.encode_images([Image.new("RGB", (BLANK_SIDE, BLANK_SIDE))])

    @property
    def projectors(self) -> list[nn.Module]:
        """The modules that make `image_features`, one each, of what the tower hands them.

        They take `[states, D]`, as many states to every place; what comes after them moves places, and no more. None:
        the family does not come apart there.
        """
        return []

    def _handed_over(self, images: dict[str, Tensor]) -> list[Tensor]:
        """What the tower hands to each of the `projectors` for the family's tensors, `[places, states of each, D]`."""
        handed: dict[nn.Module, Tensor] = {}

        def numbered(projector: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> Tensor:
            # numbers in the place of features tell in which order a family puts those in the end
            places = made[..., 0].numel()
            handed[projector] = given[0].flatten(0, -2).unflatten(0, (places, -1))
            return torch.arange(places, device=made.device).float().view(*made.shape[:-1], 1)

        hooks = [projector.register_forward_hook(numbered) for projector in self.projectors]
        try:
            orders = [numbers_N1[:, 0].long() for numbers_N1 in self.image_features(images)]
        finally:
            for hook in hooks:
                hook.remove()
        pairs = [(handed[projector], order) for projector, order in zip(self.projectors, orders, strict=True)]
        if any(order.sort().values.tolist() != list(range(len(states))) for states, order in pairs):
            raise AdapterError(
                f"{type(self).__name__}.projectors: what comes after them does more than move places, or they run more "
                "than once; leave the property out."
            )
        return [states[order] for states, order in pairs]

    def look(self, batch: PromptBatch, projected: bool = True) -> dict[str, Tensor]:
        """What can stand in the rows of a batch in the place of their pixels; without places where none has an image.

        The tower runs all the same.

        Args:
            batch: with pixels.
            projected: `image_features`; otherwise what is handed to the projectors, which then run in every pass.
        """
        tensors = self._tensors(batch)
        found = self.image_features(tensors) if projected else self._handed_over(tensors)
        self._check_places(found[0], batch)
        kept = found if batch.images else [each[:0] for each in found]
        return {f"{SEEN if projected else HANDED}{number}": each for number, each in enumerate(kept)}

    def seen(self, rows: list[PromptRow], found: dict[str, Tensor]) -> list[PromptRow]:
        """The rows of a batch with what `look` found in the place of their pixels: the tower runs for them no more."""
        places = [sum(row.ids.count(token) for token in self.placeholder_ids) for row in rows]
        split = zip(*(each.split(places) for each in found.values()), strict=True)
        own = [dict(zip(found, parts, strict=True)) for parts in split]
        return [replace(row, images=_sizes(row) | mine) for row, mine in zip(rows, own, strict=True)]

    def _projected(self, handed: list[Tensor]) -> list[Tensor]:
        # of no image a place of zeros: the projector runs in every process, or in none
        some = [states if len(states) else states.new_zeros(1, *states.shape[1:]) for states in handed]
        return [projector(states.flatten(0, 1)) for projector, states in zip(self.projectors, some, strict=True)]

    def _features(self, batch: PromptBatch) -> list[Tensor]:
        if known := [value for name, value in batch.images.items() if name.startswith(SEEN)]:
            return known
        if handed := [value for name, value in batch.images.items() if name.startswith(HANDED)]:
            return self._projected(handed)
        return self.image_features(self._tensors(batch))

    def _tensors(self, batch: PromptBatch) -> dict[str, Tensor]:
        weight = self.model.get_input_embeddings().weight
        tensors = (batch.images or self._blank).items()
        return {name: _like(value, batch.ids_BP.device, weight.dtype) for name, value in tensors}

    def _check_places(self, features_NH: Tensor, batch: PromptBatch) -> None:
        if not _imageless(batch) and len(features_NH) != batch.places:
            raise AdapterError(
                f"{type(self).__name__}: the tower gives {len(features_NH)} features for {batch.places} places of "
                "images; image_ids must count as the processor does."
            )

    def embed(self, batch: PromptBatch) -> Prefix:
        embeds_BPH = self.embed_tokens(batch.ids_BP)
        features_NH, *deep = self._features(batch)
        self._check_places(features_NH, batch)
        if not _imageless(batch):
            is_image_BP = torch.isin(batch.ids_BP, batch.ids_BP.new_tensor(self.placeholder_ids))
            embeds_BPH = embeds_BPH.masked_scatter(is_image_BP[..., None], features_NH.to(embeds_BPH.dtype))
        else:
            is_image_BP = torch.zeros_like(batch.mask_BP)
            embeds_BPH, deep = embeds_BPH + 0 * sum(each.sum() for each in (features_NH, *deep)), []
        return Prefix(embeds_BPH, batch.mask_BP, self.positions(batch), is_image_BP, deep)


def _like(value: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Pixels in this dtype, sizes as they are."""
    return value.to(device, dtype if value.is_floating_point() else value.dtype)


def _sizes(row: PromptRow) -> dict[str, Tensor]:
    return {name: value for name, value in row.images.items() if not value.is_floating_point()}


def _imageless(batch: PromptBatch) -> bool:
    """Whether tower and projector, or the projector alone, run for the sake of other processes and not of an image."""
    return not batch.images or (not batch.places and f"{HANDED}0" in batch.images)
