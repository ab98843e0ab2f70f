"""What cannot be eyes is refused in one sentence, and nothing is fetched."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from model_adapters import AdapterError
from model_adapters.eyes import Describer
from tests.tiny_eyes import CLIP


@pytest.fixture
def copied(clip, tmp_path):
    return shutil.copytree(clip, tmp_path / "copied")


def refused(groups, pictures, *given, **more):
    with pytest.raises(AdapterError) as fault:
        Describer(*given[:1], groups, **more).describe(pictures[:1])
    assert "\n" not in str(fault.value)
    return str(fault.value)


def rewritten(folder, **changes):
    config = {**CLIP, **{part: {**CLIP[part], **values} for part, values in changes.items()}}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)


def test_a_folder_without_weights(copied, groups, pictures):
    (copied / "open_clip_model.safetensors").unlink()
    said = refused(groups, pictures, str(copied))
    assert f"{copied} holds no weights" in said and "fetch the whole model" in said


def test_weights_of_another_model(copied, groups, pictures):
    weights = load_file(copied / "open_clip_model.safetensors")
    save_file({f"other.{name}": value for name, value in weights.items()}, copied / "open_clip_model.safetensors")
    said = refused(groups, pictures, str(copied))
    assert f"{copied}: open_clip cannot load the model" in said and "Missing key" in said and "fetch it again" in said


def test_some_missing_weights(copied, groups, pictures):
    weights = load_file(copied / "open_clip_model.safetensors")
    weights.pop("visual.proj")
    save_file(weights, copied / "open_clip_model.safetensors")
    assert "visual.proj" in refused(groups, pictures, str(copied))


@pytest.mark.parametrize("content", [b"", b"spoilt", b"\x10\0\0\0\0\0\0\0{"])
def test_broken_weights(copied, groups, pictures, content):
    (copied / "open_clip_model.safetensors").write_bytes(content)
    assert f"{copied}: open_clip cannot load the model" in refused(groups, pictures, str(copied))


def test_a_pickle_that_would_run_code(copied, groups, pictures):
    (copied / "open_clip_model.safetensors").unlink()
    torch.save(print, copied / "open_clip_model.bin")
    assert "open_clip cannot load the model" in refused(groups, pictures, str(copied))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"model_cfg": {}}', '{"model_cfg": {"text_cfg": 1}}'])
def test_a_broken_configuration(copied, groups, pictures, content):
    (copied / "open_clip_config.json").write_text(content)
    assert "open_clip_config.json is no open_clip configuration" in refused(groups, pictures, str(copied))


def test_no_configuration(copied, groups, pictures):
    (copied / "open_clip_config.json").unlink()
    assert "holds no open_clip_config.json" in refused(groups, pictures, str(copied))


@pytest.mark.parametrize("name", ["hf-hub:laion/CLIP-ViT-B-32", "laion/CLIP-ViT-B-32", "ViT-B-32", "local-dir:x"])
def test_names_that_open_clip_could_download(groups, pictures, name):
    assert f"{name}: no such folder or file" in refused(groups, pictures, name)


def test_a_weights_file_without_or_with_a_wrong_architecture(clip, groups, pictures):
    file = str(clip / "open_clip_model.safetensors")
    assert "say with eyes.architecture" in refused(groups, pictures, file)
    assert "open_clip knows no such model" in refused(groups, pictures, file, architecture="ViT-Z")
    assert "fetch the tokenizer of ViT-B-16-SigLIP" in refused(groups, pictures, file, architecture="ViT-B-16-SigLIP")
    assert "leave eyes.architecture empty" in refused(groups, pictures, str(clip), architecture="ViT-B-32")


def test_a_tower_that_would_come_from_the_hub(copied, groups, pictures):
    rewritten(copied, text_cfg={"hf_model_name": "some/roberta"})
    assert "would fetch the configuration of its part some/roberta" in refused(groups, pictures, str(copied))
    rewritten(copied, vision_cfg={"timm_model_name": "hf-hub:some/vit"})
    assert "hf-hub:some/vit" in refused(groups, pictures, str(copied))


def test_a_tokenizer_that_is_missing_is_not_fetched(copied, groups, pictures):
    rewritten(copied, text_cfg={"hf_tokenizer_name": "some/tokenizer", "tokenizer_kwargs": {"trust_remote_code": True}})
    assert f"{copied}: open_clip cannot load the model" in refused(groups, pictures, str(copied))


def test_a_captioner_that_writes_nothing(clip, groups, pictures):
    said = refused(groups, pictures, str(clip), captioner=str(clip))
    assert "eyes.captioner must be a CoCa model" in said and str(clip) in said
