"""What kind of question an example asks."""

import re

from vlrlcd.data.example import Example

OPENINGS = (
    *("how many", "how much", "how", "why", "where", "when", "which", "whose", "who"),
    *("what color", "what kind", "what type", "what time", "what sport", "what animal", "what brand", "what"),
)
OTHER = "other"
WORDS = re.compile(r"[^\W\d_]+")


def question_type(example: Example) -> str:
    """What the data set says, or the family of a drawn question; else the words that a question opens with.

    `other` for none of OPENINGS.
    """
    if example.kind:
        return example.kind
    if family := (example.scene or {}).get("family"):
        return str(family)
    words = WORDS.findall(example.question.lower().replace("colour", "color"))[:2]
    return next((opening for opening in (" ".join(words), *words[:1]) if opening in OPENINGS), OTHER)
