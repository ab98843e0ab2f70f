"""Whether an explanation of a drawn scene is true of it: one number per example, None for an example without a scene.

What counts is the explanation, the text before the last `Answer:`.
"""

from collections.abc import Sequence

from vlrlcd.data.answers import explanation
from vlrlcd.data.example import Example
from vlrlcd.errors import UserError
from vlrlcd.scenes.claims import Claim, claims
from vlrlcd.scenes.world import Scene


def truthful_rationales(examples: Sequence[Example], texts: Sequence[str]) -> list[float | None]:
    """1 if the explanation makes at least one claim and all its claims are true of the scene, else 0.

    Raises UserError naming the row if its scene graph cannot be read.
    """
    return [
        None if made is None else float(bool(made) and all(claim.true for claim in made))
        for made in _claims(examples, texts)
    ]


def claims_per_rationale(examples: Sequence[Example], texts: Sequence[str]) -> list[float | None]:
    """How many claims the explanation makes, true or not. Raises UserError as `truthful_rationales`."""
    return [None if made is None else float(len(made)) for made in _claims(examples, texts)]


def _claims(examples: Sequence[Example], texts: Sequence[str]) -> list[list[Claim] | None]:
    return [
        None if example.scene is None else claims(explanation(text), _scene(example))
        for example, text in zip(examples, texts, strict=True)
    ]


def _scene(example: Example) -> Scene:
    try:
        return Scene.from_dict(example.scene["scene"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{example.place}: the scene stored beside this row cannot be read ({error!r}); draw the split again"
        ) from error
