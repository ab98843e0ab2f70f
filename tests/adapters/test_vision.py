"""What an adapter that is wrong is told, and what every family that sees does."""

import pytest
import torch
from tokenizers import AddedToken
from transformers import AutoProcessor

from examples.internvl import InternVLAdapter, tiny_checkpoint
from model_adapters import AdapterError, adapter_for
from tests.conformance.cases import ask, picture
from tests.tiny import FAMILIES, tiny_llava

SEEING = sorted({*FAMILIES} - {"qwen2", "llama"})


class CountsTooFew(InternVLAdapter):
    def image_token_counts(self, sizes_hw):
        return [count - 1 for count in super().image_token_counts(sizes_hw)]


class KeepsSamples(InternVLAdapter):
    def encode_images(self, images):
        return {name: value[None] for name, value in super().encode_images(images).items()}


class CannotCount(InternVLAdapter):
    def image_token_counts(self, sizes_hw):
        return self.processor._no_such_helper(sizes_hw)


class ComesApart(InternVLAdapter):
    @property
    def projectors(self):
        return [self.model.model.multi_modal_projector]


class DropsPlaces(ComesApart):
    def image_features(self, images):
        return [each[::2] for each in super().image_features(images)]


class RepeatsPlaces(ComesApart):
    def image_features(self, images):
        return [each[torch.arange(len(each)) // 2] for each in super().image_features(images)]


class Marks(InternVLAdapter):
    image_marks = r"<row_\d+>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def made(folder, monkeypatch):
    """An adapter of a class of this module, which has no importable name under pytest."""

    def make(kind):
        monkeypatch.setattr("examples.internvl.InternVLAdapter", kind)
        return adapter_for(folder, "examples.internvl:InternVLAdapter")

    return make


def test_places_that_the_tower_does_not_fill_are_named(made):
    adapter = made(CountsTooFew).load_model(torch.float32)
    batch = adapter.collate([adapter.encode(ask("why?", picture(30, 30, 0)))])
    with pytest.raises(AdapterError, match=r"CountsTooFew: the tower gives \d+ features for \d+ places of images"):
        adapter.embed(batch)
    with pytest.raises(AdapterError, match=r"CountsTooFew: the tower gives \d+ features for \d+ places of images"):
        adapter.look(batch)


@pytest.mark.parametrize("kind", [DropsPlaces, RepeatsPlaces])
def test_projectors_that_something_but_an_order_follows_are_named(made, kind):
    adapter = made(kind).load_model(torch.float32)
    batch = adapter.collate([adapter.encode(ask("why?", picture(30, 30, 0)))])
    with pytest.raises(AdapterError, match=f"{kind.__name__}.projectors: .* leave the property out"):
        adapter.look(batch, projected=False)


def test_tensors_that_cannot_be_joined_are_named(made):
    adapter = made(KeepsSamples)
    rows = [adapter.encode(ask("why?", picture(*size, 0))) for size in ((30, 30), (90, 30))]
    with pytest.raises(AdapterError, match=r"KeepsSamples\.encode_images gives 'pixel_values' in shapes \[1, "):
        adapter.collate(rows)


def test_a_processor_that_does_not_count_is_named(made):
    with pytest.raises(AdapterError, match=r"CannotCount: .* write image_token_counts or image_ids"):
        made(CannotCount).encode(ask("why?", picture(30, 30, 0)))


def test_marks_around_images_stay_text_when_a_user_types_them(folder, made, monkeypatch):
    processor = AutoProcessor.from_pretrained(folder)
    processor.tokenizer.add_tokens([AddedToken("<row_1>", special=False)])
    monkeypatch.setattr(AutoProcessor, "from_pretrained", lambda *_, **__: processor)
    mark = processor.tokenizer.convert_tokens_to_ids("<row_1>")
    assert mark in made(InternVLAdapter).encode(ask("what is <row_1>?")).ids
    adapter = made(Marks)
    ids = adapter.encode(ask("what is <row_1>?")).ids
    assert mark not in ids and "what is <row_1>?" in adapter.tokenizer.decode(ids)


def test_a_package_that_the_processor_needs_is_named(tmp_path, monkeypatch):
    def missing(*_, **__):
        raise ImportError("Package `num2words` is required.\nInstall it with `pip install num2words`.")

    monkeypatch.setattr(AutoProcessor, "from_pretrained", missing)
    with pytest.raises(AdapterError, match=r"cannot be read \(Package `num2words` is required\. Install it with"):
        adapter_for(tiny_llava(tmp_path))


@torch.no_grad()
@pytest.mark.parametrize("kind", SEEING)
def test_every_part_takes_half_precision(tmp_path, kind):
    adapter = adapter_for(FAMILIES[kind](tmp_path)).load_model(torch.bfloat16)
    batch = adapter.collate([adapter.encode(ask("why?", picture(90, 40, 0))), adapter.encode(ask("what is it?"))])
    prefix = adapter.embed(batch)
    assert prefix.embeds_BPH.dtype == torch.bfloat16
    mask_B1PP = (prefix.mask_BP[:, None, :] | torch.eye(len(batch.ids_BP[0]), dtype=torch.bool)).tril()[:, None]
    hidden_BPH = adapter.decode_states(prefix.embeds_BPH, prefix.positions, mask_B1PP, prefix=prefix)
    assert adapter.logits(hidden_BPH)[prefix.mask_BP].isfinite().all()
