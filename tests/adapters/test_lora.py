"""The folder of a LoRA adapter as a checkpoint."""

import json

import pytest
import torch
from peft import LoraConfig, get_peft_model

from model_adapters import AdapterError, adapter_for
from tests.tiny import tiny_llava, tiny_qwen2


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_llava(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def lora(base, tmp_path_factory):
    """(folder, weights of the model that it makes)."""
    folder = tmp_path_factory.mktemp("lora")
    model = adapter_for(base).load_model(torch.float32).model
    torch.manual_seed(0)
    settings = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    added = get_peft_model(model, settings)
    added.save_pretrained(folder)
    return folder, {name: tensor.clone() for name, tensor in added.merge_and_unload().state_dict().items()}


def test_it_is_merged_into_its_base(base, lora):
    folder, expected = lora
    adapter = adapter_for(folder)
    assert adapter.checkpoint == str(base)
    found, before = adapter.load_model(torch.float32).model.state_dict(), adapter_for(base).load_model(torch.float32)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    changed = [name for name, tensor in before.model.state_dict().items() if not torch.equal(tensor, found[name])]
    assert changed and all("q_proj" in name or "v_proj" in name for name in changed)


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_folder_that_names_no_base_is_refused(tmp_path, content):
    (tmp_path / "adapter_config.json").write_text(content)
    with pytest.raises(AdapterError, match=r"adapter_config\.json names no base model"):
        adapter_for(tmp_path)


def test_a_base_that_is_gone_is_named(lora, tmp_path):
    settings = json.loads((lora[0] / "adapter_config.json").read_text())
    gone = tmp_path / "gone" / "base"
    (tmp_path / "adapter_config.json").write_text(json.dumps({**settings, "base_model_name_or_path": str(gone)}))
    with pytest.raises(AdapterError, match=f"{gone}: no such folder"):
        adapter_for(tmp_path)


def test_additions_of_another_model_are_refused(lora, tmp_path):
    other = tiny_qwen2(tmp_path / "other")
    folder = tmp_path / "lora"
    folder.mkdir()
    for file in lora[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    settings = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**settings, "base_model_name_or_path": str(other)}))
    with pytest.raises(AdapterError, match=f"the LoRA adapter does not fit {other}"):
        adapter_for(folder).load_model(torch.float32)
