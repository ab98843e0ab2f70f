"""Loading, saving, what LoRA touches, and checkpoints that cannot be served."""

import json

import peft
import pytest
import torch
from transformers import AutoProcessor

from model_adapters import AdapterError, adapter_for, known_model_types
from tests.tiny import FAMILIES


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


def test_vision_modules_name_the_tower(adapter):
    parameters = [name for name, _ in adapter.model.named_parameters()]
    for prefix in adapter.vision_modules:
        assert any(name.startswith(prefix) for name in parameters)
    decoder = {id(p) for p in adapter.decoder.parameters()}
    vision = {id(p) for name, p in adapter.model.named_parameters() if name.startswith(adapter.vision_modules)}
    assert decoder and not decoder & vision


def test_lora_lands_in_the_language_model_only(checkpoint):
    adapter = adapter_for(checkpoint).load_model(torch.float32)
    peft.get_peft_model(adapter.model, peft.LoraConfig(r=2, target_modules=adapter.lora_targets))
    everywhere = {name for name, _ in adapter.model.named_parameters() if "lora_" in name}
    inside = {name for name, _ in adapter.decoder.named_parameters() if "lora_" in name}
    layers = adapter.config.get_text_config().num_hidden_layers
    assert len(everywhere) == len(inside) == 2 * 7 * layers
    assert not any(name.startswith(adapter.vision_modules) for name in everywhere)


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
