"""Loading, saving, and what is trained."""

import pytest
import torch
from transformers import AutoProcessor

from model_adapters import PARTS
from vlrlcd.config import ModelConfig
from vlrlcd.student import Student


@pytest.mark.check("saving")
@torch.no_grad()
def test_a_saved_student_is_a_plain_checkpoint(opened, checkpoint, stock, cases, tmp_path):
    adapter = opened(checkpoint).load_model(torch.float32)
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
    assert opened(tmp_path).encode(cases[2].messages).ids == adapter.encode(cases[2].messages).ids


@pytest.mark.check("parts")
def test_every_part_that_is_named_is_there(adapter):
    parts = {name: adapter.part_of(name) for name, _ in adapter.model.named_parameters()}
    assert set(adapter.modules) <= set(PARTS)
    for part, prefixes in adapter.modules.items():
        there = sorted({".".join(name.split(".")[:2]) for name in parts})
        assert part in parts.values(), f"no parameter of the {part} begins with {prefixes}; the model has {there}"
    assert "language_model" in parts.values()
    decoder = {id(parameter) for parameter in adapter.decoder.parameters()}
    inside = {part for name, part in parts.items() if id(adapter.model.get_parameter(name)) in decoder}
    assert inside == {"language_model"}
    words = [adapter.decoder, adapter.model.get_input_embeddings(), adapter.model.get_output_embeddings()]
    of_words = {id(parameter) for module in words for parameter in module.parameters()}
    strays = [
        name
        for name, p in adapter.model.named_parameters()
        if parts[name] == "language_model" and id(p) not in of_words
    ]
    assert not strays, f"neither decoder, embeddings nor head, and in no other part: {strays}"


@pytest.mark.check("LoRA")
@pytest.mark.parametrize("part", PARTS)
def test_lora_lands_where_it_is_asked_for(opened, checkpoint, part):
    adapter = opened(checkpoint).load_model(torch.float32)
    if part != "language_model" and part not in adapter.modules:
        pytest.skip("has no such part")
    frozen = {other: "frozen" for other in PARTS if other != part}
    student = Student(adapter, ModelConfig(**{**frozen, part: "lora"}), with_reference=False, seed=0)
    trained = [name for name, parameter in adapter.model.named_parameters() if parameter.requires_grad]
    assert trained and all("lora_" in name and adapter.part_of(name) == part for name in trained)
    assert not any("lora_" in name for name, _ in adapter.model.get_output_embeddings().named_parameters())
    (row,) = [row for row in student.trainable_table() if row["trainable"]]
    assert row["part"] == part.replace("_", " ")


@pytest.mark.check("LoRA")
def test_by_default_lora_leaves_the_tower_alone(opened, checkpoint):
    adapter = opened(checkpoint).load_model(torch.float32)
    Student(adapter, ModelConfig(tuning="lora"), with_reference=False, seed=0)
    trained = [name for name, parameter in adapter.model.named_parameters() if parameter.requires_grad]
    assert trained and {adapter.part_of(name) for name in trained} == {"language_model"}
