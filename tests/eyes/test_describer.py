"""Tags and captions against open_clip by hand, one image and one text at a time."""

import logging
from dataclasses import replace

import open_clip
import torch

from model_adapters.eyes import Describer, LabelGroup
from model_adapters.eyes.captions import CAPTION_TOKENS
from model_adapters.eyes.checkpoint import find, load
from model_adapters.eyes.tags import Tagger
from tests.tiny_eyes import tiny_clip, tiny_coca


def opened(folder):
    model, look = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    return model.eval(), look, open_clip.get_tokenizer(f"local-dir:{folder}")


@torch.no_grad()
def nearest(folder, group, picture):
    model, look, tokenizer = opened(folder)
    image = model.encode_image(look(picture)[None])[0]

    def cosine(label):
        text = model.encode_text(tokenizer([group.prompt.format(label)]))[0]
        return float(image @ text / image.norm() / text.norm())

    return sorted(group.labels, key=cosine, reverse=True)[: group.say]


@torch.no_grad()
def caption(folder, picture, ends=None):
    """The likeliest token at each step, by CoCa's plain forward pass with the image anew each time."""
    model, look, tokenizer = opened(folder)
    model.pad_id = model.pad_id if ends is None else ends
    ids = [tokenizer.sot_token_id]
    while len(ids) < min(CAPTION_TOKENS, model.context_length):
        ids.append(int(model(look(picture)[None], torch.tensor([ids]), output_labels=False)["logits"][0, -1].argmax()))
        if ids[-1] in (tokenizer.eot_token_id, model.pad_id):
            ids.pop()
            break
    return " ".join(tokenizer.decode([i for i in ids if i != tokenizer.sot_token_id]).split()).rstrip(" .")


def test_tags_are_the_nearest_labels(clip, groups, pictures):
    found = Describer(str(clip), groups).describe(pictures)
    for picture, said in zip(pictures, found, strict=True):
        first, second = (", ".join(nearest(clip, group, picture)) for group in groups)
        assert said == f"seen: {first}. {second}."
    assert len(set(found)) > 1


def test_captions_are_the_likeliest_tokens(clip, coca, groups, pictures):
    tags = Describer(str(clip), groups).describe(pictures)
    found = Describer(str(clip), groups, captioner=str(coca)).describe(pictures)
    wanted = [caption(coca, picture) for picture in pictures]
    assert found == [f"{said}. {tagged}" for said, tagged in zip(wanted, tags, strict=True)]
    assert len(set(wanted)) > 1


def test_a_caption_that_ends_early_leaves_the_others_alone(coca, groups, pictures):
    captioner = Describer(str(coca), groups, captioner=str(coca))._captioner
    third = int(captioner._greedy(captioner.clip.batch(pictures))[0, 3])
    captioner.clip.model.pad_id = third
    wanted = [caption(coca, picture, ends=third) for picture in pictures]
    assert captioner(pictures) == wanted and 0 < len(wanted[0]) < min(map(len, wanted[1:]))


def test_a_coca_finds_tags_too(coca, groups, pictures):
    assert Describer(str(coca), groups).describe(pictures[:1]) == [
        f"seen: {', '.join(nearest(coca, groups[0], pictures[0]))}. {nearest(coca, groups[1], pictures[0])[0]}."
    ]


def test_more_labels_to_say_than_there_are(clip, pictures):
    assert Describer(str(clip), [LabelGroup(("a", "b"), say=5)]).describe(pictures[:1])[0] in ("a, b.", "b, a.")


def test_a_weights_file_with_the_name_of_its_architecture(clip, groups, pictures, monkeypatch):
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", open_clip.get_model_config(f"local-dir:{clip}"))
    file = clip / "open_clip_model.safetensors"
    assert Describer(str(file), groups, architecture="tiny").describe(pictures)


def test_the_fingerprint_knows_everything_that_is_said(clip, coca, groups, tmp_path):
    other = tiny_clip(tmp_path / "other", seed=1)
    describers = [
        Describer(str(clip), groups),
        Describer(str(other), groups),
        Describer(str(clip), groups[:1]),
        Describer(str(clip), groups, captioner=str(coca)),
        Describer(str(clip), groups, captioner=str(tiny_coca(tmp_path / "coca", seed=1))),
    ]
    assert len({one.fingerprint for one in describers}) == len(describers)
    assert Describer(str(clip), list(groups)).fingerprint == describers[0].fingerprint
    (other / "open_clip_model.safetensors").write_bytes((clip / "open_clip_model.safetensors").read_bytes())
    assert Describer(str(other), groups).fingerprint == describers[0].fingerprint


def test_loading_keeps_the_log_as_it_was(clip, groups, pictures, caplog):
    level = logging.root.level
    Describer(str(clip), groups).describe(pictures[:1])
    assert logging.root.level == level and not caplog.records


def test_a_prompt_is_text_whatever_braces_it_has(clip, pictures):
    labels = ("cat", "dog", "horse", "soup")
    for prompt in ("a {} in {place}", "{{}} {0}", "{} {"):
        texts = []
        tagger = Tagger(load(find(str(clip), "")), (LabelGroup(labels, prompt),))
        own = tagger.clip.tokenizer
        tagger = Tagger(
            replace(tagger.clip, tokenizer=lambda part, own=own, texts=texts: texts.extend(part) or own(part)),
            tagger.groups,
        )
        tagger(pictures[:1])
        assert texts == [prompt.replace("{}", label) for label in labels]
