"""Loading, saving, what LoRA touches, and checkpoints that cannot be served."""

import json

import pytest
import torch
from transformers import AutoProcessor

from model_adapters import PARTS, AdapterError, adapter_for, known_model_types
from tests.tiny import FAMILIES
from vlrlcd.config import ModelConfig
from vlrlcd.student import Student


@pytest.fixture
def copied(family, tmp_path):
    return FAMILIES[family](tmp_path / "copy")


def rewrite(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_every_known_family_is_tested():
    assert set(FAMILIES) == {*known_model_types(), "qwen2", "llama"}


@torch.no_grad()
def test_a_saved_student_is_a_plain_checkpoint(checkpoint, stock, cases, tmp_path):
    adapter = adapter_for(checkpoint).load_model(torch.float32)
    for config in (adapter.model.config, adapter.model.config.get_text_config()):
        config.use_cache = False
    adapter.save(tmp_path)
    reloaded = stock.load(tmp_path)
    assert reloaded.config.get_text_config().use_cache is True
    assert getattr(reloaded.config, "use_cache", True) is True
    inputs = stock.inputs(cases[2])
    assert torch.equal(reloaded(**inputs).logits, stock.model(**inputs).logits)
    processor = AutoProcessor.from_pretrained(tmp_path)
    assert processor.chat_template == stock.processor.chat_template
    assert adapter_for(tmp_path).encode(cases[2].messages).ids == adapter.encode(cases[2].messages).ids


def test_every_part_that_is_named_is_there(adapter):
    parts = {name: adapter.part_of(name) for name, _ in adapter.model.named_parameters()}
    assert set(adapter.modules) <= set(PARTS) and set(parts.values()) == {*adapter.modules, "language_model"}
    decoder = {id(parameter) for parameter in adapter.decoder.parameters()}
    inside = {part for name, part in parts.items() if id(adapter.model.get_parameter(name)) in decoder}
    assert inside == {"language_model"}


@pytest.mark.parametrize("part", PARTS)
def test_lora_lands_where_it_is_asked_for(checkpoint, part):
    adapter = adapter_for(checkpoint).load_model(torch.float32)
    if part != "language_model" and part not in adapter.modules:
        pytest.skip("has no such part")
    frozen = {other: "frozen" for other in PARTS if other != part}
    student = Student(adapter, ModelConfig(**{**frozen, part: "lora"}), with_reference=False, seed=0)
    trained = [name for name, parameter in adapter.model.named_parameters() if parameter.requires_grad]
    assert trained and all("lora_" in name and adapter.part_of(name) == part for name in trained)
    assert not any("lora_" in name for name, _ in adapter.model.get_output_embeddings().named_parameters())
    (row,) = [row for row in student.trainable_table() if row["trainable"]]
    assert row["part"] == part.replace("_", " ")


def test_by_default_lora_leaves_the_tower_alone(checkpoint):
    adapter = adapter_for(checkpoint).load_model(torch.float32)
    Student(adapter, ModelConfig(tuning="lora"), with_reference=False, seed=0)
    trained = [name for name, parameter in adapter.model.named_parameters() if parameter.requires_grad]
    assert trained and {adapter.part_of(name) for name in trained} == {"language_model"}


def test_an_unknown_family_is_named_with_the_known_ones(copied):
    rewrite(copied / "config.json", model_type="vit", architectures=["ViTModel"])
    with pytest.raises(AdapterError) as error:
        adapter_for(copied)
    assert "'vit'" in str(error.value) and all(known in str(error.value) for known in known_model_types())


def test_a_missing_chat_template_is_named(copied):
    for template in [*copied.glob("chat_template*")]:
        template.unlink()
    with pytest.raises(AdapterError, match="no chat template"):
        adapter_for(copied)


def test_an_empty_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(AdapterError, match="no Hugging Face checkpoint"):
        adapter_for(tmp_path)
