"""Which adapter a checkpoint gets, and checkpoints that get none."""

import json
import sys

import pytest

from examples.internvl import InternVLAdapter, tiny_checkpoint
from model_adapters import AdapterError, adapter_for, known_model_types
from model_adapters.llava import LlavaAdapter
from tests.conformance.cases import ask, picture
from tests.tiny import FAMILIES, tiny_llama, tiny_llava

OUTSIDE = "outside_llava:Adapter"


def rewrite(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def announced(tmp_path, monkeypatch):
    """Installs a package that offers its adapters by entry point."""

    def install(**points):
        info = tmp_path / "outside-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
        lines = [f"{name} = {value}\n" for name, value in points.items()]
        (info / "entry_points.txt").write_text("[vlrlcd.adapters]\n" + "".join(lines))
        (tmp_path / "outside_llava.py").write_text(
            "from model_adapters.llava import LlavaAdapter\nclass Adapter(LlavaAdapter): pass\n"
        )
        monkeypatch.syspath_prepend(tmp_path)

    return install


def test_every_known_family_is_tested():
    assert set(FAMILIES) == {*known_model_types(), "qwen2", "llama"}


def test_an_unknown_family_is_named_with_the_known_ones(tmp_path):
    rewrite(tiny_llava(tmp_path) / "config.json", model_type="vit", architectures=["ViTModel"])
    with pytest.raises(AdapterError) as error:
        adapter_for(tmp_path)
    assert "'vit'" in str(error.value) and all(known in str(error.value) for known in known_model_types())


def test_an_empty_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(AdapterError, match="no Hugging Face checkpoint"):
        adapter_for(tmp_path)


def test_an_adapter_is_named_by_the_configuration(tmp_path):
    folder = tiny_checkpoint(tmp_path)
    with pytest.raises(AdapterError, match="'internvl', which no adapter serves"):
        adapter_for(folder)
    assert isinstance(adapter_for(folder, "examples.internvl:InternVLAdapter"), InternVLAdapter)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.at_all:Adapter", r"the adapter nowhere\.at_all:Adapter cannot be imported \(No module"),
        ("examples.internvl:Missing", "cannot be imported .* write it as module:Class"),
        ("no/name", "cannot be imported"),
        ("examples.internvl:Path", "is no class derived from model_adapters.ModelAdapter"),
    ],
)
def test_an_adapter_that_is_none_is_refused(tmp_path, name, message):
    with pytest.raises(AdapterError, match=message):
        adapter_for(tiny_llava(tmp_path), name)


def test_an_adapter_beside_the_user_is_found(tmp_path, monkeypatch):
    (tmp_path / "beside_the_user.py").write_text("from model_adapters.llava import LlavaAdapter as Mine\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    assert isinstance(adapter_for(tiny_llava(tmp_path / "checkpoint"), "beside_the_user:Mine"), LlavaAdapter)


def test_an_adapter_of_an_installed_package_is_found(tmp_path, announced):
    announced(internvl="examples.internvl:InternVLAdapter")
    assert isinstance(adapter_for(tiny_checkpoint(tmp_path / "checkpoint")), InternVLAdapter)


def test_two_adapters_of_one_family_want_a_choice(tmp_path, announced):
    announced(own=OUTSIDE)
    folder = tiny_llava(tmp_path / "checkpoint")
    with pytest.raises(AdapterError, match=r"served by model_adapters\.llava:LlavaAdapter and outside_llava:Adapter"):
        adapter_for(folder)
    assert type(adapter_for(folder, OUTSIDE)).__module__ == "outside_llava"
    assert type(adapter_for(folder, "model_adapters.llava:LlavaAdapter")) is LlavaAdapter


def test_an_entry_point_that_is_broken_is_named(tmp_path, announced):
    announced(gone="gone:Adapter")
    with pytest.raises(AdapterError, match="the adapter of entry point gone, gone:Adapter cannot be imported"):
        adapter_for(tiny_llava(tmp_path / "checkpoint"))


@pytest.fixture(params=[tiny_llava, tiny_llama])
def without_template(request, tmp_path):
    folder = request.param(tmp_path / "checkpoint")
    for template in folder.glob("chat_template*"):
        template.unlink()
    return folder


def test_a_missing_chat_template_is_named_with_a_way_to_give_one(without_template):
    with pytest.raises(AdapterError, match="has no chat template; add .* or name such a file with model.chat_template"):
        adapter_for(without_template)


def test_a_chat_template_that_is_given(without_template, tmp_path):
    (own := tmp_path / "own.jinja").write_text(
        "{% for message in messages %}Q: {% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}"
        "{% endif %}{% endfor %}{% if add_generation_prompt %} A:{% endif %}"
    )
    adapter = adapter_for(without_template, chat_template=str(own))
    ids = adapter.encode(ask("why?")).ids
    assert adapter.tokenizer.decode(ids, skip_special_tokens=True) == "Q: why? A:"
    adapter.processor.save_pretrained(without_template)
    assert adapter_for(without_template).encode(ask("why?")).ids == ids


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for %}", "its chat template cannot render a question"),
        ("{{ 'Q: ' + messages[0]['content'] }}", r"cannot render a question \(can only concatenate str"),
        (
            "{{ messages[0]['content'][-1]['text'] }}",
            r"writes 0 placeholders for 1 image\(s\) of a prompt; mend it, or name another",
        ),
        ("<image><image>{{ messages[0]['content'][-1]['text'] }}", r"writes 2 placeholders for 1 image\(s\)"),
        (None, r"model\.chat_template=.* cannot be read"),
    ],
)
def test_a_chat_template_that_is_none(tmp_path, template, message):
    folder, own = tiny_llava(tmp_path / "checkpoint"), tmp_path / "own.jinja"
    if template:
        own.write_text(template)
    with pytest.raises(AdapterError, match=message):
        adapter_for(folder, chat_template=str(own))


def test_a_template_that_writes_images_of_the_first_message_only(tmp_path):
    """Nothing but the prompt in hand shows it."""
    folder, own = tiny_llava(tmp_path / "checkpoint"), tmp_path / "own.jinja"
    own.write_text("{% if messages[0]['content'][0]['type'] == 'image' %}<image>{% endif %}why? A:")
    adapter = adapter_for(folder, chat_template=str(own))
    with pytest.raises(AdapterError, match=r"writes 1 placeholders for 2 image\(s\) of a prompt"):
        adapter.encode(ask("why?", picture(30, 30, 0), picture(30, 30, 1)))


def test_a_vision_model_without_an_adapter_is_no_text_only_student(tmp_path):
    rewrite(tiny_llava(tmp_path) / "config.json", model_type="gemma3", architectures=["Gemma3ForConditionalGeneration"])
    with pytest.raises(AdapterError, match="'gemma3', which no adapter serves"):
        adapter_for(tmp_path)


def test_a_family_of_fixed_size_has_no_pixel_limits(tmp_path):
    with pytest.raises(
        AdapterError, match=r"no bounds for the pixels of an image: leave out model\.min_pixels and model\.max_pixels"
    ):
        adapter_for(tiny_llava(tmp_path), max_pixels=1000)


def test_a_processor_without_its_files_is_named(tmp_path):
    folder = tiny_llava(tmp_path)
    (folder / "processor_config.json").unlink()
    with pytest.raises(
        AdapterError, match=r"(processor cannot be read|lacks image_processor).* the original checkpoint"
    ):
        adapter_for(folder)


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_a_checkpoint_without_a_tokenizer_is_named(tmp_path, kind):
    folder = FAMILIES[kind](tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).unlink()
    with pytest.raises(
        AdapterError, match="its (processor cannot be read|tokenizer knows no words).* from the original"
    ):
        adapter_for(folder)
