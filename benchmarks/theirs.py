"""TRL's step on the same work: GRPOTrainer over the same shapes, prompts, candidates, lengths, precision and KL."""

import copy
import time
from pathlib import Path

import datasets
import torch
from peft import LoraConfig
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from trl.trainer import grpo_trainer

from benchmarks.ours import settings, wait
from benchmarks.prompts import Prompts
from benchmarks.workloads import random_model
from vlrlcd.data.images import decode


class TrlSide:
    """One GRPOTrainer. A step is one generation of P prompts times K answers and one optimiser step on all of them,
    which is what a user who wants fresh samples and one update a step sets; answers are written by `generate`.

    With `beta` its reference is the model without its LoRA, or a frozen copy, as ours is. The reward is a random
    number: nothing is ranked on this side.
    """

    def __init__(self, prompts: Prompts, folder: Path, device: str):
        self.workload, self.folder = prompts.workload, folder
        self.device, self.seconds = torch.device(device), []
        config, adapter = settings(self.workload, folder), prompts.adapter
        self.beta, self.rows, self.processor = config.stage2.beta, _rows(prompts), adapter.processor
        # the stock model, with none of our norms and attention
        self.model = adapter.model = random_model(adapter.config, device, self.workload.dtype)
        self.lora = None
        if self.workload.tuning == "lora":
            layers = adapter.linear_layers("language_model")
            self.lora = LoraConfig(r=config.model.lora_rank, lora_alpha=config.model.lora_alpha, target_modules=layers)
        else:
            for name, parameter in self.model.named_parameters():
                parameter.requires_grad_(adapter.part_of(name) != "vision_tower")

    def steps(self, count: int) -> None:
        """Runs the trainer for so many steps and one before them that is not timed; `seconds` holds each."""
        per_step = self.workload.prompts * self.workload.candidates
        arguments = GRPOConfig(
            output_dir=str(self.folder / "trl"),
            per_device_train_batch_size=per_step,
            gradient_accumulation_steps=1,
            num_generations=self.workload.candidates,
            max_completion_length=self.workload.answer_tokens,
            max_steps=count + 1,
            beta=self.beta,
            temperature=1.0,
            top_k=0,
            generation_kwargs={"min_new_tokens": self.workload.answer_tokens},
            gradient_checkpointing=self.workload.recompute,
            bf16=self.workload.dtype == "bfloat16",
            use_cpu=self.device.type == "cpu",
            learning_rate=1e-6,
            report_to=[],
            logging_steps=10**6,
            save_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        # its own reference would be read from a hub by the model's name
        own, grpo_trainer.create_model_from_path = grpo_trainer.create_model_from_path, self._reference
        try:
            trainer = GRPOTrainer(
                self.model,
                reward_funcs=_random_reward(),
                args=arguments,
                train_dataset=datasets.Dataset.from_list(self.rows * (count + 1)),
                processing_class=self.processor,
                peft_config=self.lora,
                callbacks=[_Stopwatch(self.seconds, self.device)],
            )
        finally:
            grpo_trainer.create_model_from_path = own
        self.trainer = trainer
        trainer.train()
        del self.seconds[0]

    def _reference(self, *_, **__):
        return copy.deepcopy(self.model)

    @property
    def prompt_tokens(self) -> int:
        """As its own processor counts them."""
        messages = self.rows[0]["prompt"]
        if image := self.rows[0].get("image"):
            words = messages[0]["content"]
            content = [{"type": "image", "image": image}, {"type": "text", "text": words}]
            messages = [{"role": "user", "content": content}]
        how = {"add_generation_prompt": True, "tokenize": True, "return_dict": True}
        ids = self.processor.apply_chat_template(messages, **how)["input_ids"]
        return len(ids[0]) if isinstance(ids[0], list) else len(ids)


class _Stopwatch(TrainerCallback):
    def __init__(self, seconds: list[float], device: torch.device):
        self.seconds, self.device = seconds, device

    def on_step_begin(self, *_, **__):
        wait(self.device)
        self.began = time.perf_counter()

    def on_step_end(self, *_, **__):
        wait(self.device)
        self.seconds.append(time.perf_counter() - self.began)


def _rows(prompts: Prompts) -> list[dict]:
    found = []
    for example, (message,) in zip(prompts.examples, prompts.messages, strict=True):
        words = "".join(part["text"] for part in message["content"] if part["type"] == "text")
        row = {"prompt": [{"role": "user", "content": words}]}
        if example.images:
            row["image"] = decode(example.images[0])
        found.append(row)
    return found


def _random_reward():
    draw = torch.Generator().manual_seed(0)

    def reward(completions, **_):
        return torch.rand(len(completions), generator=draw).tolist()

    return reward
