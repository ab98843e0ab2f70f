"""The one module that DeepSpeed wraps: the student, and p_sft beside it."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from model_adapters import PARTS, ModelAdapter, PromptBatch, PromptRow, adapter_for
from vlrlcd import sampling, static_sampling
from vlrlcd.config import ModelConfig
from vlrlcd.errors import UserError
from vlrlcd.head import allowed_logprobs, logps_and_kl, token_logps
from vlrlcd.lora import fuse_lora
from vlrlcd.prefix_branches import Branches, predicting_states
from vlrlcd.reading import Keeping, Known

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def student_adapter(settings: ModelConfig, checkpoint: str | Path = "") -> ModelAdapter:
    """The student's adapter without its weights, from `model.checkpoint` or from what a stage of it left."""
    return adapter_for(
        checkpoint or settings.checkpoint,
        settings.adapter,
        settings.chat_template,
        settings.min_pixels,
        settings.max_pixels,
    )


class Student(nn.Module):
    """Every pass over the weights is `engine("work", ...)`, one call of this module, the same on every process.

    With LoRA alone, p_sft is the student with its additions switched off, because they are fresh at the start of stage
    II. Where a part is trained in full it is a frozen copy, held in this module so that it is sharded wherever the
    student is.
    """

    def __init__(
        self, adapter: ModelAdapter, settings: ModelConfig, with_reference: bool, seed: int, with_values: bool = False
    ):
        """Args:
        adapter: with its weights loaded; they are frozen, wrapped or trained in place.
        settings: what trains, and how.
        with_reference: keep p_sft, as stage II needs it.
        seed: of the LoRA initialisation.
        with_values: train a linear value head on the student's states, for PPO; it starts at 0 and is not exported.
        """
        super().__init__()
        self.adapter = adapter
        self.checkpointing = settings.activation_checkpointing
        self.tuning = part_tuning(adapter, settings)
        self.lora = "lora" in self.tuning.values()
        self.reference = None
        _switch_off_dropout(adapter.model)
        # p_sft is the student without its additions only as long as nothing else moves
        if with_reference and "full" in self.tuning.values():
            self.reference = copy.copy(adapter)
            self.reference.model = copy.deepcopy(adapter.model).requires_grad_(False)
            self.reference_model = self.reference.model
        self.model = self._with_lora(settings, seed) if self.lora else adapter.model
        for name, parameter in adapter.model.named_parameters():
            full = self.tuning[adapter.part_of(name)] == "full"
            parameter.requires_grad_(full or _is_addition(name))
        if self.checkpointing:
            adapter.decoder.gradient_checkpointing_enable({"use_reentrant": False})
        self.value_head = _value_head(adapter) if with_values else None
        self.eval()

    def _with_lora(self, settings: ModelConfig, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        parts = [part for part, how in self.tuning.items() if how == "lora"]
        layers = [name for part in parts for name in self._linear_layers(part)]
        low_rank = LoraConfig(r=settings.lora_rank, lora_alpha=settings.lora_alpha, target_modules=layers)
        model = get_peft_model(self.adapter.model, low_rank)
        for name, layer in self.adapter.model.named_modules():
            # peft has its own mind about the experts of some families, and those could not be merged in the end
            if isinstance(layer, LoraLayer) and not isinstance(layer.get_base_layer(), nn.Linear):
                raise UserError(
                    f"LoRA would land on {name}, which is no linear layer, in {self.adapter.checkpoint} "
                    f"({self.adapter.config.model_type}); use --model.tuning=full."
                )
        fuse_lora(model)
        return model

    def _linear_layers(self, part: str) -> list[str]:
        if found := self.adapter.linear_layers(part):
            return found
        raise UserError(
            f"LoRA finds no linear layer in the {part} of {self.adapter.checkpoint} "
            f"({self.adapter.config.model_type}); use --model.{part}=full, or frozen."
        )

    @property
    def looks_once(self) -> bool:
        """Whether an image's way through the tower is the same in every pass, and can be gone once.

        The student sees, its tower is frozen, and its projector is too or can be run by itself.
        """
        if not self.adapter.sees_images or self.tuning["vision_tower"] != "frozen":
            return False
        return self._projector_frozen or bool(self.adapter.projectors)

    @property
    def _projector_frozen(self) -> bool:
        return self.tuning["projector"] == "frozen"

    def forward(self, work: str, *inputs):
        return getattr(self, work)(*inputs)

    @contextmanager
    def _weights(self, frozen: bool) -> Iterator[ModelAdapter]:
        """The adapter to compute with: the student's, or p_sft's."""
        if frozen and self.reference is not None:
            yield self.reference
        else:
            with self.model.disable_adapter() if frozen and self.lora else nullcontext():
                yield self.adapter

    @torch.no_grad()
    def look(self, batch: PromptBatch) -> dict[str, Tensor]:
        """What the tower makes of a batch, see `VisionAdapter.look`."""
        return self.adapter.look(batch, projected=self._projector_frozen)

    def sample(self, batch: PromptBatch, *how) -> list[list[sampling.Draw]]:
        """K draws per row, see `sampling.sample`."""
        return sampling.sample(self.adapter, batch, *how)

    def sample_static(self, rows: list[PromptRow], *how) -> list[list[sampling.Draw]]:
        """K draws per row, see `static_sampling.sample`."""
        return static_sampling.sample(self.adapter, rows, *how)

    def logps(self, batch: PromptBatch, branches: Branches) -> Tensor:
        """Log-prob of every branch token under the student, `[N]`, with gradient."""
        with self._recomputing():
            hidden_NH = predicting_states(self.adapter, batch, branches)
            return token_logps(self.adapter, hidden_NH, branches.target_N)

    def learned(self, batch: PromptBatch, branches: Branches, reference_NH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `logps`, the exact KL to p_sft at every position, given p_sft's states there, and the expected reward,
        0 without a value head; all `[N]`."""
        with self._recomputing():
            hidden_NH = predicting_states(self.adapter, batch, branches)
            reference = self.reference or self.adapter
            told = logps_and_kl(self.adapter, hidden_NH, branches.target_N, reference, reference_NH)
            return *told, self._values(hidden_NH)

    def _values(self, hidden_NH: Tensor) -> Tensor:
        if self.value_head is None:
            return hidden_NH.new_zeros(len(hidden_NH), dtype=torch.float32)
        # the head reads the student and does not move it
        return self.value_head(hidden_NH.detach().to(self.value_head.weight.dtype))[:, 0].float()

    @torch.no_grad()
    def reference_states(
        self, batch: PromptBatch, branches: Branches, known: Known | None = None
    ) -> tuple[Tensor, Tensor]:
        """p_sft's hidden states `[N, H]` and log-probs `[N]` at every branch token, given what it has read already."""
        return self._states(batch, branches, True, known)

    @torch.no_grad()
    def score_logps(
        self, batch: PromptBatch, branches: Branches, frozen: bool, keeping: Keeping | None = None
    ) -> Tensor:
        """Log-probs `[N]` without gradient, under p_sft or the student."""
        return self._states(batch, branches, frozen, None, keeping)[1]

    @torch.no_grad()
    def score_last(
        self, batch: PromptBatch, branches: Branches, frozen: bool, keeping: Keeping | None = None
    ) -> Tensor:
        """Log-probs over the vocabulary at the last place of every branch, `[G, V]`."""
        with self._weights(frozen) as adapter:
            last_G = branches.lengths_G.cumsum(0) - 1
            hidden_NH = predicting_states(adapter, batch, branches, keeping=keeping)
            return allowed_logprobs(adapter, hidden_NH[last_G])

    def last_logprobs(self, batch: PromptBatch, branches: Branches) -> Tensor:
        """As `score_last`, under the student and with gradient."""
        with self._recomputing():
            last_G = branches.lengths_G.cumsum(0) - 1
            return allowed_logprobs(self.adapter, predicting_states(self.adapter, batch, branches)[last_G])

    def _states(self, batch: PromptBatch, branches: Branches, frozen: bool, *reading) -> tuple[Tensor, Tensor]:
        with self._weights(frozen) as adapter:
            hidden_NH = predicting_states(adapter, batch, branches, *reading)
            return hidden_NH, token_logps(adapter, hidden_NH, branches.target_N)

    @contextmanager
    def _recomputing(self) -> Iterator[None]:
        # transformers recomputes in training mode only; dropout is off for good, so the mode changes nothing else
        self.adapter.decoder.train(self.checkpointing)
        try:
            yield
        finally:
            self.adapter.decoder.eval()

    def trainable_table(self) -> list[dict]:
        """Parameters by part: `{"part", "tuning", "trainable", "total"}`; LoRA's additions count with their part."""
        table = {part: [0, 0] for part in self.tuning}
        for name, parameter in self.adapter.model.named_parameters():
            counts = table[self.adapter.part_of(name)]
            counts[0] += parameter.numel() * parameter.requires_grad
            counts[1] += parameter.numel()
        return [
            {"part": part.replace("_", " "), "tuning": self.tuning[part], "trainable": trainable, "total": total}
            for part, (trainable, total) in table.items()
            if total
        ]

    def trained_model_parameters(self) -> list[nn.Parameter]:
        """Every parameter of the student, frozen ones too, without those of a frozen copy beside it."""
        return list(self.adapter.model.parameters())

    @torch.no_grad()
    def plain_weights(self, whole: Callable, keep: bool) -> dict[str, Tensor]:
        """The state dict of the plain model on the CPU, LoRA merged in.

        Args:
            whole: context manager that makes the given parameters whole, and costs nothing where they are; collective.
            keep: False only takes part in making them whole, and returns nothing.
        """
        weights: dict[str, Tensor] = {}
        merged: set[str] = set()
        saved, seen = self.adapter.model.state_dict().keys(), set()
        for name, module in self.adapter.model.named_modules():
            if isinstance(module, LoraLayer):
                merged |= {f"{name}.{inner}" for inner, _ in module.named_modules() if inner}
                with whole(list(module.parameters())):
                    weights |= _cpu_copies(name, _merged(module)) if keep else {}
            elif name not in merged:
                # tied weights once, as transformers saves them
                own = {key: p for key, p in module.named_parameters(recurse=False) if id(p) not in seen}
                seen |= {id(parameter) for parameter in own.values()}
                buffers = {k: b for k, b in module.named_buffers(recurse=False) if f"{name}.{k}" in saved}
                with whole(list(own.values())):
                    weights |= _cpu_copies(name, own | buffers) if keep else {}
        return weights


def part_tuning(adapter: ModelAdapter, settings: ModelConfig) -> dict[str, str]:
    """How each part of a student is trained: as the run says, else as the family does under `model.tuning`.

    Raises:
        UserError: nothing would train, or a part that the family does not have.
    """
    tuning = {}
    for part in PARTS:
        asked = getattr(settings, part)
        if asked not in ("default", "frozen") and part != "language_model" and part not in adapter.modules:
            raise UserError(
                f"model.{part}={asked}: {adapter.checkpoint} ({adapter.config.model_type}) has no {part}; leave it out."
            )
        tuning[part] = adapter.tuning[settings.tuning][part] if asked == "default" else asked
    if set(tuning.values()) == {"frozen"}:
        raise UserError("model.vision_tower, model.projector and model.language_model are all frozen: nothing trains.")
    return tuning


def _switch_off_dropout(model: nn.Module) -> None:
    """Log-probs of one answer must be the same in every pass [ours]."""
    for module in model.modules():
        for name, value in vars(module).items():
            if isinstance(value, float) and ("drop" in name or (name == "p" and isinstance(module, nn.Dropout))):
                setattr(module, name, 0.0)


def _value_head(adapter: ModelAdapter) -> nn.Linear:
    dtype = next(adapter.model.parameters()).dtype
    head = nn.Linear(adapter.config.get_text_config().hidden_size, 1, dtype=dtype)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def _is_addition(name: str) -> bool:
    return "lora_" in name


def _merged(layer: LoraLayer) -> dict[str, Tensor]:
    base = layer.get_base_layer()
    delta = sum(layer.get_delta_weight(name) for name in layer.active_adapters)
    return {**dict(base.named_parameters()), "weight": base.weight + delta.to(base.weight.dtype)}


def _cpu_copies(module_name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{module_name}.{key}": tensor.detach().to("cpu", copy=True) for key, tensor in tensors.items()}
