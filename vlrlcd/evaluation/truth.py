"""Whether an explanation of a drawn scene is true of it: one number per example, None for an example without a scene.

What counts is the explanation, the text before the last `Answer:`. The scene graph is known, so hallucination is exact:
`hallucinates` averages to CHAIR's share of sentences, `false_claims` over `claims_made` to its share of mentions
(Rohrbach et al. 2018), with claims in the place of objects.
"""

from collections.abc import Sequence

from vlrlcd.data.answers import explanation
from vlrlcd.data.example import Example
from vlrlcd.errors import UserError
from vlrlcd.scenes.claims import Claim, claims
from vlrlcd.scenes.world import Scene

Made = list[list[Claim] | None]


def claims_of(examples: Sequence[Example], texts: Sequence[str]) -> Made:
    """The claims of each explanation; None where the example has no scene.

    Raises UserError naming the row if its scene graph cannot be read.
    """
    return [
        None if example.scene is None else claims(explanation(text), _scene(example))
        for example, text in zip(examples, texts, strict=True)
    ]


def truthful(made: Made) -> list[float | None]:
    """1 if the explanation makes at least one claim and all its claims are true of the scene, else 0."""
    return [None if of is None else float(bool(of) and all(claim.true for claim in of)) for of in made]


def claims_made(made: Made) -> list[float | None]:
    """How many claims the explanation makes, true or not."""
    return [None if of is None else float(len(of)) for of in made]


def false_claims(made: Made) -> list[float | None]:
    """How many of them are false."""
    return [None if of is None else float(sum(not claim.true for claim in of)) for of in made]


def hallucinates(made: Made) -> list[float | None]:
    """1 if the explanation makes a false claim, else 0."""
    return [None if of is None else float(any(not claim.true for claim in of)) for of in made]


def _scene(example: Example) -> Scene:
    try:
        return Scene.from_dict(example.scene["scene"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{example.place}: the scene stored beside this row cannot be read ({error!r}); draw the split again"
        ) from error
