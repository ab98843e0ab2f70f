"""WritingPrompts (Fan et al. 2018): prompts with a tag, and the stories that people wrote for them."""

import re
from collections.abc import Mapping

from nltk.tokenize.treebank import TreebankWordDetokenizer

from vlrlcd.data.fields import Rows, raw_text

TAG = re.compile(r"\s*\[\s*(\w+)\s*\]")
NEWLINE = "<newline>"
DETOKENISER = TreebankWordDetokenizer()


def prompts(rows: Rows, only: Mapping[str, str], split: str, notes: list[str]) -> Rows:
    """One row per prompt, with all its stories in the files' order.

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
        tag, question = tagged(raw_text(place, values, "prompt"))
        story = raw_text(place, values, "story")
        columns = {**values, "tag": tag}
        if any(columns.get(column) != wanted for column, wanted in only.items()):
            continue
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
        texts = [plain(story) for story in stories]
        yield place, {"id": f"{split}-{number}", "prompt": question, "story": texts, "images": []}


def tagged(prompt: str) -> tuple[str, str]:
    """The tag that a prompt opens with, and the prompt without it; ("", prompt) where it has none."""
    found = TAG.match(prompt)
    return (found[1] if found else ""), plain(prompt[found.end() :] if found else prompt)


def plain(text: str) -> str:
    """Tokenised text as a person writes it, paragraphs and all.

    NLTK's detokeniser; what the release's tokeniser threw away (how many blanks, which quotation mark) stays lost.
    """
    return "\n".join(DETOKENISER.detokenize(line.split()) for line in text.split(NEWLINE)).strip()
