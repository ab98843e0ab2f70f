"""What trains, part by part: as the run says, else as the family does."""

from contextlib import nullcontext

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Glm4MoeConfig, GPT2Config

from model_adapters import adapter_for
from tests.conformance.cases import ask
from tests.run.jobs import config_of, weights
from tests.tiny import CHATML_TEMPLATE, FAMILIES, tiny_llama, tiny_text
from vlrlcd.config import ModelConfig
from vlrlcd.errors import UserError
from vlrlcd.prefix_branches import pack
from vlrlcd.student import Student
from vlrlcd.summary import print_stage
from vlrlcd.trainer import train

SEEING = sorted({*FAMILIES} - {"qwen2", "llama"})


def student(folder, **settings):
    return Student(adapter_for(folder).load_model(torch.float32), ModelConfig(**settings), with_reference=True, seed=0)


def shares(student):
    return {row["part"]: (row["tuning"], row["trainable"] / row["total"]) for row in student.trainable_table()}


@pytest.mark.parametrize("kind", SEEING)
def test_by_default_the_tower_is_frozen(tmp_path, kind):
    whole = {"vision tower": ("frozen", 0), "projector": ("full", 1), "language model": ("full", 1)}
    assert shares(student(FAMILIES[kind](tmp_path))) == whole


@pytest.mark.parametrize("kind", SEEING)
def test_parts_are_trained_as_asked(tmp_path, kind):
    asked = {"vision_tower": "lora", "projector": "full", "language_model": "frozen"}
    found = shares(student(FAMILIES[kind](tmp_path), **asked))
    assert found["projector"] == ("full", 1) and found["language model"] == ("frozen", 0)
    tuning, share = found["vision tower"]
    assert tuning == "lora" and 0 < share < 1


def test_a_frozen_copy_is_kept_only_where_it_is_needed(tmp_path):
    folder = FAMILIES["llava"](tmp_path)
    assert student(folder, tuning="lora").reference is None
    assert student(folder, tuning="lora", projector="full").reference is not None


def test_a_text_only_student_has_one_part(tmp_path):
    folder = tiny_llama(tmp_path)
    assert shares(student(folder)) == {"language model": ("full", 1)}
    assert shares(student(folder, vision_tower="frozen"))
    with pytest.raises(UserError, match=r"model\.vision_tower=lora: .* \(llama\) has no vision_tower; leave it out"):
        student(folder, vision_tower="lora")


def test_lora_without_a_linear_layer(tmp_path):
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}
    folder = tiny_text(tmp_path, GPT2Config, CHATML_TEMPLATE, MARKS, "<|im_end|>", **sizes)
    with pytest.raises(UserError, match=r"no linear layer in the language_model .* use --model\.language_model=full"):
        student(folder, tuning="lora")


MARKS = ["<|im_start|>", "<|im_end|>"]


@pytest.fixture
def experts(tmp_path):
    sizes = {"moe_intermediate_size": 16, "n_routed_experts": 4, "num_experts_per_tok": 2, "first_k_dense_replace": 1}
    folder = tiny_text(tmp_path / "moe", Glm4MoeConfig, CHATML_TEMPLATE, MARKS, "<|im_end|>", head_dim=8, **sizes)
    weights = load_file(folder / "model.safetensors")
    (bias,) = [name for name in weights if name.endswith("e_score_correction_bias")]
    weights[bias] = torch.tensor([3.0, -3.0, 2.0, -1.0])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder, bias


def test_buffers_are_saved_with_the_weights(experts, tmp_path):
    folder, bias = experts
    trained = student(folder)
    trained.adapter.save(tmp_path / "out", trained.plain_weights(lambda _: nullcontext(), keep=True))
    assert load_file(tmp_path / "out/model.safetensors")[bias].tolist() == [3, -3, 2, -1]


def test_tied_weights_are_saved_once(tmp_path):
    trained = student(FAMILIES["qwen2_vl"](tmp_path))
    assert "lm_head.weight" not in trained.plain_weights(lambda _: nullcontext(), keep=True)


def test_lora_on_experts_is_refused_at_the_start(experts):
    with pytest.raises(UserError, match=r"which is no linear layer, .* use --model\.tuning=full"):
        student(experts[0], tuning="lora")


@pytest.mark.parametrize("recomputing", [False, True])
def test_dropout_is_off(tmp_path, recomputing):
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512, "resid_pdrop": 0.5, "attn_pdrop": 0.5}
    folder = tiny_text(tmp_path, GPT2Config, CHATML_TEMPLATE, MARKS, "<|im_end|>", **sizes)
    dropping = student(folder, activation_checkpointing=recomputing)
    batch = dropping.adapter.collate([dropping.adapter.encode(ask("why?"))])
    branches = pack([[(9, 20, 31), (9, 40)]])
    assert torch.equal(dropping("logps", batch, branches), dropping("logps", batch, branches))


def test_the_table_is_printed(tmp_path, capsys):
    trained = student(FAMILIES["qwen3_vl"](tmp_path), tuning="lora")
    print_stage(config_of(), "stage1", 3, trained.trainable_table(), None)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [line[:-4] for line in lines] == [
        ["vision", "tower", "frozen", "0"],
        ["projector", "frozen", "0"],
        ["language", "model", "lora", f"{lora_parameters(trained):,}"],
    ]


def lora_parameters(student):
    return sum(p.numel() for name, p in student.adapter.model.named_parameters() if "lora_" in name)


def test_a_whole_job_moves_what_it_was_asked_to_and_nothing_else(inputs, checkpoint, tmp_path, handlers, distributed):
    parts = {"model.tuning": "lora", "model.projector": "full", "model.lora_rank": 2}
    fast = {"stage1.learning_rate": 1e-2, "stage2.learning_rate": 1e-2, "evaluation.split": ""}
    train(config_of(inputs, parts, fast, {"run.root": tmp_path, "run.name": "it"}), "it")
    before, after = load_file(checkpoint / "model.safetensors"), weights(tmp_path / "it")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in before if "multi_modal_projector" in name} <= moved
    assert any("q_proj" in name for name in moved) and not any("vision_tower" in name for name in moved)
    assert not any("norm" in name or "embed" in name or "lm_head" in name for name in moved)
