"""WritingPrompts (Fan et al. 2018): prompts with a tag, and the stories that people wrote for them."""

import re
from collections.abc import Mapping
from typing import Any

from nltk.tokenize.treebank import TreebankWordDetokenizer

from vlrlcd.data.fields import Rows, raw_text

TAG = re.compile(r"\s*\[\s*(\w+)\s*\]")
NEWLINE = "<newline>"
BREAK = re.compile(f" ?{NEWLINE} ?")
DETOKENISER = TreebankWordDetokenizer()


def prompts(rows: Rows, only: Mapping[str, str], split: str, notes: list[str]) -> Rows:
    """One row per prompt, with all its stories in the files' order, still tokenised.

    Args:
        rows: a prompt and one of its stories each, as tokenised for the release.
        only: `tag` and perhaps other columns; other rows are passed over.
        split: our name of it, part of the ids.
        notes: gets a line for stories that were put beside others, and one for rows without prompt or story.

    Raises:
        UserError: naming the row without the columns `prompt` and `story`.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    empty, shared = [], 0
    for place, values in rows:
        tag, prompt = tagged(raw_text(place, values, "prompt"))
        story = raw_text(place, values, "story")
        columns = {**values, "tag": tag}
        if any(columns.get(column) != wanted for column, wanted in only.items()):
            continue
        question = plain(prompt)
        if not question or not story.replace(NEWLINE, "").strip():
            empty.append(place)
            continue
        shared += question in found
        found.setdefault(question, (place, []))[1].append(story)
    if shared:
        notes.append(f"{shared:,} rows have the prompt of an earlier one, and their stories stand beside its own")
    if empty:
        notes.append(f"{len(empty):,} rows without words for a prompt or without a story are left out: {empty[0]}")
    for number, (question, (place, stories)) in enumerate(found.items(), start=1):
        yield place, {"id": f"{split}-{number}", "prompt": question, "story": stories, "images": []}


def with_plain_stories(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `prompts` with its stories as a person writes them."""
    return {**row, "story": [plain(story) for story in row["story"]]}


def tagged(prompt: str) -> tuple[str, str]:
    """The tag that a prompt opens with and the prompt without it; ("", prompt) where it has none."""
    found = TAG.match(prompt)
    return (found[1], prompt[found.end() :]) if found else ("", prompt)


def plain(text: str) -> str:
    """Tokenised text as a person writes it, paragraphs and all.

    NLTK's detokeniser; what the release's tokeniser threw away (how many blanks, which quotation mark) stays lost.
    """
    return BREAK.sub("\n", DETOKENISER.detokenize(text.replace(NEWLINE, f" {NEWLINE} ").split())).strip()
