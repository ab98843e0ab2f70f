"""Text-only students: what is served, and what is refused with the reason."""

from dataclasses import replace

import pytest
import torch
from transformers import (
    CohereConfig,
    DogeConfig,
    FalconH1Config,
    Gemma2Config,
    GraniteConfig,
    Lfm2Config,
    MistralConfig,
    NemotronConfig,
    Phi3Config,
    Qwen3Config,
    RecurrentGemmaConfig,
    StableLmConfig,
)

from model_adapters import AdapterError, adapter_for
from tests.conformance.cases import Case, ask, picture
from tests.conformance.stock import Stock, close
from tests.tiny import CHATML_TEMPLATE, tiny_text
from vlrlcd.config import ModelConfig
from vlrlcd.head import token_logps
from vlrlcd.prefix_branches import pack, predicting_states
from vlrlcd.sampling import SamplingSettings, sample, uniforms
from vlrlcd.student import Student

MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WINDOW = 64


def checkpoint(folder, config, **more):
    return tiny_text(folder, config, CHATML_TEMPLATE, MARKS, "<|im_end|>", **more)


def shared_equals_separate(folder):
    adapter, stock = adapter_for(folder).load_model(torch.float32), Stock(folder)
    case = Case(ask("why?"), [(9, 20, 31), (9, 40), (50, 60, 70, 80)])
    branches = pack([case.branches])
    with torch.no_grad():
        batch = adapter.collate([adapter.encode(case.messages)])
        mine = token_logps(adapter, predicting_states(adapter, batch, branches), branches.target_N)
        close(mine, torch.cat(stock.branch_logps(case, adapter.placeholder_ids)))
    return adapter


@pytest.mark.parametrize("config", [Qwen3Config, Phi3Config, MistralConfig])
def test_families_without_an_adapter_of_their_own(tmp_path, config):
    assert shared_equals_separate(checkpoint(tmp_path, config)).takes_layouts


@pytest.mark.parametrize("config", [StableLmConfig, NemotronConfig, DogeConfig])
def test_families_whose_layers_lose_or_overrule_a_layout_go_by_masks(tmp_path, config):
    assert not shared_equals_separate(checkpoint(tmp_path, config)).takes_layouts


def test_lora_reaches_every_layer_whatever_its_name(tmp_path):
    adapter = adapter_for(checkpoint(tmp_path, Phi3Config)).load_model(torch.float32)
    Student(adapter, ModelConfig(tuning="lora"), with_reference=False, seed=0)
    reached = {
        name.split(".lora_A")[0].rsplit(".", 1)[-1] for name, _ in adapter.model.named_parameters() if "lora_A" in name
    }
    assert reached == {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}


def test_soft_capped_attention_is_refused_with_the_reason(tmp_path):
    folder = checkpoint(tmp_path, Gemma2Config, head_dim=8)
    with pytest.raises(AdapterError, match=r"'gemma2' cannot be .*: its attention takes no mask of ours \(Gemma2"):
        adapter_for(folder).load_model(torch.float32)


def test_a_sliding_window_is_as_long_as_a_sequence_may_be(tmp_path):
    adapter = shared_equals_separate(checkpoint(tmp_path, MistralConfig, sliding_window=WINDOW))
    assert adapter.max_positions == WINDOW


@torch.no_grad()
def test_answers_that_together_pass_the_window_are_drawn_as_if_alone(tmp_path):
    folder = checkpoint(tmp_path, MistralConfig, sliding_window=WINDOW)
    adapter = adapter_for(folder).load_model(torch.float32)
    batch = adapter.collate([adapter.encode(ask("why?"))])
    settings = SamplingSettings(branches=8, max_new_tokens=16)
    numbers = uniforms(0, 0, ["row"], settings)
    adapter.stop_ids = (-1,)
    (together,) = sample(adapter, batch, settings, numbers)
    alone = [sample(adapter, batch, replace(settings, branches=1), numbers[:, [k]])[0][0] for k in range(8)]
    assert len(batch.ids_BP[0]) + 8 * 16 > WINDOW
    assert [draw.ids for draw in together] == [draw.ids for draw in alone]


def test_a_window_that_is_switched_off_is_none(tmp_path):
    folder = checkpoint(tmp_path, Qwen3Config, sliding_window=WINDOW, use_sliding_window=False)
    assert adapter_for(folder).max_positions == 512


@pytest.mark.parametrize(
    ("config", "scale"), [(CohereConfig, {"logit_scale": 0.3}), (GraniteConfig, {"logits_scaling": 3.0})]
)
def test_scaled_logits_are_refused_with_the_reason(tmp_path, config, scale):
    folder = checkpoint(tmp_path, config, **scale)
    with pytest.raises(AdapterError, match=r"model_type '\w+' cannot be a text-only student here: .*scales its logits"):
        adapter_for(folder).load_model(torch.float32)
    assert adapter_for(folder).load_model(torch.float32, device_map="cpu").model, "a teacher is only generated from"


@pytest.mark.parametrize(
    ("config", "more"),
    [
        (Lfm2Config, {"layer_types": ["conv", "full_attention"]}),
        (RecurrentGemmaConfig, {"num_hidden_layers": 3, "lru_width": 32, "head_dim": 8}),
        (FalconH1Config, {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_state": 8, "mamba_d_head": 8}),
    ],
)
def test_decoders_with_a_state_besides_keys_and_values_are_refused(tmp_path, config, more):
    folder = checkpoint(tmp_path, config, **more)
    with pytest.raises(AdapterError, match=r"cannot be a text-only student here"):
        adapter_for(folder).load_model(torch.float32)


def test_an_image_is_refused(tmp_path):
    adapter = adapter_for(checkpoint(tmp_path, Qwen3Config))
    with pytest.raises(AdapterError, match=r"reads text only, and a row has 1 image"):
        adapter.encode(ask("what is it?", picture(30, 30, 0)))
