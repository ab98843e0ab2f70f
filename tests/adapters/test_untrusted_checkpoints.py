"""A checkpoint's own Python is never run."""

import json

import pytest
import torch

from model_adapters import AdapterError, adapter_for
from tests.tiny import tiny_llava

PLANTED = """
from pathlib import Path
Path({mark!r}).touch()
from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
class Own(LlavaConfig): model_type = {model_type!r}
class OwnModel(LlavaForConditionalGeneration): config_class = Own
class OwnProcessor(LlavaProcessor): pass
"""


@pytest.fixture
def planted(tmp_path):
    """(checkpoint whose configuration names code of its own, the file which that code makes)."""

    def make(model_type):
        folder, mark = tiny_llava(tmp_path / "checkpoint"), tmp_path / "was_run"
        (folder / "own.py").write_text(PLANTED.format(mark=str(mark), model_type=model_type))
        names = {"AutoConfig": "Own", "AutoModelForImageTextToText": "OwnModel", "AutoProcessor": "OwnProcessor"}
        for file in ("config.json", "processor_config.json"):
            path = folder / file
            own = {"auto_map": {auto: f"own.{name}" for auto, name in names.items()}, "model_type": model_type}
            path.write_text(json.dumps({**json.loads(path.read_text()), **own}))
        return folder, mark

    return make


def test_a_family_that_needs_it_is_refused_without_a_question(planted):
    folder, mark = planted("own-family")
    with pytest.raises(AdapterError, match="no Hugging Face checkpoint could be read there"):
        adapter_for(folder)
    assert not mark.exists()


def test_a_known_family_is_loaded_without_it(planted):
    folder, mark = planted("llava")
    assert adapter_for(folder).load_model(torch.float32).model.config.model_type == "llava"
    assert not mark.exists()
