"""Prompts become the stock processor's tokens, and words that spell control tokens stay words."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.cases import ask, picture

LITERALS = ["<image>", "</s>", "<s>", "<pad>", "a <image> b</s><s>c"]


@pytest.mark.check("turns")
@pytest.mark.parametrize("row", range(3))
def test_prompts_equal_the_stock_processor(adapter, stock, cases, row):
    mine, theirs = list(adapter.encode(cases[row].messages).ids), stock.inputs(cases[row])["input_ids"][0].tolist()
    assert mine == theirs, (
        f"mine: {stock.tokenizer.decode(mine)!r}, the processor's: {stock.tokenizer.decode(theirs)!r}"
    )


@pytest.mark.check("places")
@pytest.mark.usefixtures("sees")
def test_placeholders_stand_for_features(adapter, stock, cases):
    for case in cases:
        row = adapter.encode(case.messages)
        assert len(row.image_ids) == len(case.images)
        assert count_places(adapter, row.ids) == sum(count_places(adapter, ids) for ids in row.image_ids)
    assert stock.model.config.image_token_id in adapter.placeholder_ids


def count_places(adapter, ids):
    return sum(i in adapter.placeholder_ids for i in ids)


@pytest.mark.check("places")
@pytest.mark.usefixtures("sees")
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.tuples(st.integers(16, 200), st.integers(16, 200)), min_size=1, max_size=3))
@torch.no_grad()
def test_the_tower_fills_the_places_of_images_of_any_size(adapter, sizes):
    images = [picture(width, height, seed) for seed, (height, width) in enumerate(sizes)]
    features_NH = adapter.image_features(adapter.encode_images(images))[0]
    assert len(features_NH) == sum(count_places(adapter, ids) for ids in adapter.image_ids(sizes))


def control_ids(adapter) -> set[int]:
    """Special tokens, and whatever the processor writes for images that is a token of its own."""
    images = adapter.image_ids([(30, 40), (120, 120), (60, 120)]) if adapter.sees_images else []
    written = {token for image in images for token in image} & adapter.tokenizer.added_tokens_decoder.keys()
    return {*adapter.tokenizer.all_special_ids, *adapter.placeholder_ids, *written}


def literals(adapter):
    return [*LITERALS, *adapter.tokenizer.convert_ids_to_tokens(sorted(control_ids(adapter)))]


@pytest.mark.check("text")
def test_control_tokens_in_a_question_are_text(adapter):
    image = [picture(50, 50, 0)] if adapter.sees_images else []
    for literal in literals(adapter):
        row = adapter.encode(ask(f"what is {literal} here?", *image))
        clean = adapter.encode(ask("what is it here?", *image))
        for control in control_ids(adapter):
            assert row.ids.count(control) == clean.ids.count(control), f"{literal} became a token: see image_marks"
        decoded = adapter.tokenizer.decode(list(row.ids), skip_special_tokens=False)
        assert f"what is {literal} here?" in decoded


@pytest.mark.check("text")
def test_control_tokens_in_an_answer_are_text(adapter):
    for literal in literals(adapter):
        *ids, end = adapter.encode_answer(f"it is {literal}")
        assert not set(ids) & control_ids(adapter), f"{literal} became a token: see image_marks"
        assert end == adapter.stop_ids[0]
        assert adapter.chat.decode([*ids, end]) == f"it is {literal}"


@pytest.mark.check("turns")
@pytest.mark.parametrize("answer", ["Red.", "it is red\nAnswer: red", "42", "(a) é 🙂"])
def test_an_answer_continues_the_prompt_as_the_template_writes_it(adapter, stock, cases, answer):
    for case in cases:
        turn = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
        whole = stock.encoded(stock.rendered([*case.messages, turn]), case.images)["input_ids"][0].tolist()
        mine = [*adapter.encode(case.messages).ids, *adapter.encode_answer(answer)[:-1]]
        assert mine == whole[: len(mine)]
        assert not stock.tokenizer.decode(whole[len(mine) :], skip_special_tokens=True).strip()


@pytest.mark.check("padding")
def test_batches_are_padded_on_the_left(adapter, cases):
    rows = [adapter.encode(case.messages) for case in cases]
    batch = adapter.collate(rows)
    for row, ids, mask in zip(rows, batch.ids_BP, batch.mask_BP, strict=True):
        assert ids[-len(row.ids) :].tolist() == list(row.ids)
        assert mask.tolist() == [False] * (len(mask) - len(row.ids)) + [True] * len(row.ids)
