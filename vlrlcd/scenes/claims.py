"""What a free text claims about a scene, and whether it is true."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vlrlcd.scenes.wording import SIDES
from vlrlcd.scenes.world import COLOURS, FOODS, PLACES, SHAPES, SIZES, Object, Scene, places

COLOUR_OF_FOOD = {food: colour for colour, food in FOODS.items()}


@dataclass(frozen=True)
class Claim:
    """One claim in the words of the text; a claim about an object that is not there is false."""

    text: str
    true: bool


def claims(text: str, scene: Scene) -> list[Claim]:
    """Every claim found in a text, judged in its order; wording that makes no known claim is passed over.

    "The star is red" is true if some star is red: a description may fit several objects.
    """
    return [claim for sentence in _sentences(text) for claim in _claims_in(sentence, scene)]


def _any_of(words: Iterable[str]) -> str:
    return "(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")"


SIZE, COLOUR, SHAPE, FOOD, SIDE = map(_any_of, (SIZES, COLOURS, SHAPES, COLOUR_OF_FOOD, SIDES))
PLACE = _any_of({place for grid in PLACES for place in places(grid)})
THING = rf"(?:(?:the|an?) )?(?:{SIZE} )?(?:{COLOUR} )?(?:{SHAPE}|object)(?: at the {PLACE})?"
KIND = rf"(?:{COLOUR} objects?|{SHAPE}s?|objects?)"
TRAIT_WORD = re.compile(rf"\b({_any_of([*SIZES, *COLOURS, *SHAPES])})s?\b")
PLACE_WORD = re.compile(PLACE)
ANSWER = re.compile(r"\banswer\s*:[^.\n]*")
LISTING = re.compile(rf"(there (?:is|are) \d+ ({KIND})):((?:,?(?: and)? at the {PLACE})+)")


def _matches(one: Object, scene: Scene, description: str) -> bool:
    place = PLACE_WORD.search(description)
    traits = set(TRAIT_WORD.findall(description))
    return traits <= {one.colour, one.shape, one.size} and (not place or place.group() == scene.place(one))


def _matching(scene: Scene, *descriptions: str) -> list[Object]:
    return [one for one in scene.objects if all(_matches(one, scene, each) for each in descriptions)]


def _exists(scene: Scene, thing: str, trait: str = "") -> bool:
    return bool(_matching(scene, thing, trait))


def _counts(scene: Scene, number: str, kind: str) -> bool:
    return len(_matching(scene, kind)) == int(number)


def _stands(scene: Scene, thing: str, side: str, landmark: str) -> bool:
    rows, cols = SIDES[side]
    return any(
        (one.row - other.row, one.col - other.col) == (rows * step, cols * step)
        for one in _matching(scene, thing)
        for other in _matching(scene, landmark)
        for step in range(1, scene.grid)
    )


def _is_only(scene: Scene, size: str, thing: str) -> bool:
    found = _matching(scene, size)
    return len(found) == 1 and found == _matching(scene, size, thing)


def _differs_from_others(scene: Scene, thing: str, size: str, other_size: str) -> bool:
    return _is_only(scene, size, thing) and len(_matching(scene, other_size)) == len(scene.objects) - 1


def _food_is(scene: Scene, food: str, colour: str) -> bool:
    return COLOUR_OF_FOOD[food] == colour


def _has_colour_of(scene: Scene, thing: str, food: str) -> bool:
    return _exists(scene, thing, COLOUR_OF_FOOD[food])


def _is_like_food(scene: Scene, thing: str, colour: str, food: str) -> bool:
    return _food_is(scene, food, colour) and _has_colour_of(scene, thing, food)


Judge = Callable[..., bool]
# the first form found in a sentence wins, so the longer wording stands before what it contains
FORMS: tuple[tuple[re.Pattern, Judge], ...] = tuple(
    (re.compile(rf"\b{pattern}\b"), judge)
    for pattern, judge in (
        (rf"the only (?P<size>{SIZE}) object is (?P<thing>{THING})", _is_only),
        (
            rf"(?P<thing>{THING}) is (?P<size>{SIZE}) and the others are (?P<other_size>{SIZE})",
            _differs_from_others,
        ),
        (rf"there (?:is|are) (?P<number>\d+) (?P<kind>{KIND})", _counts),
        (rf"(?P<number>\d+) (?P<kind>{KIND}) (?:is|are) in the picture", _counts),
        (rf"the number of (?P<kind>{KIND}) is (?P<number>\d+)", _counts),
        (rf"there is (?P<thing>{THING})", _exists),
        (rf"the object (?P<side>{SIDE}) (?P<landmark>{THING}) is (?P<thing>{THING})", _stands),
        (rf"(?P<thing>{THING}) is (?P<side>{SIDE}) (?P<landmark>{THING})", _stands),
        (rf"(?P<thing>{THING}) has the colour of an? (?P<food>{FOOD})", _has_colour_of),
        (rf"(?P<thing>{THING}) is (?P<colour>{COLOUR}),? like an? (?P<food>{FOOD})", _is_like_food),
        (rf"an? (?P<food>{FOOD}) is (?P<colour>{COLOUR})", _food_is),
        (rf"(?P<thing>{THING}) is (?P<trait>at the {PLACE}|{THING}|{SIZE}|{COLOUR})", _exists),
    )
)


def _sentences(text: str) -> list[str]:
    plain = re.sub(r"[^\S\n]+", " ", ANSWER.sub("", text.lower()))
    listed = LISTING.sub(_unlisted, re.sub(r" (?=[,:])", "", plain))
    return re.split(r"[.!?;\n]", listed)


def _unlisted(listing: re.Match) -> str:
    """'there are 2 stars: at the x and at the y' as three sentences."""
    counted, kind, where = listing.groups()
    named = (f"there is a {kind.removesuffix('s')} at the {place}" for place in PLACE_WORD.findall(where))
    return ". ".join([counted, *named])


def _claims_in(part: str, scene: Scene) -> list[Claim]:
    for form, judge in FORMS:
        if found := form.search(part):
            claim = Claim(found.group(), judge(scene, **found.groupdict()))
            return [*_claims_in(part[: found.start()], scene), claim, *_claims_in(part[found.end() :], scene)]
    return []
