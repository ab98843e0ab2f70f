"""Question families: each variant lists every unambiguous question that a scene allows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vlrlcd.scenes import wording
from vlrlcd.scenes.world import COLOURS, FEWEST_OBJECTS, FOODS, MOST_OBJECTS, SHAPES, Object, Scene, places

LAZY_TOTAL = "2"


@dataclass(frozen=True)
class Draft:
    """A question with its answer, before the choices are drawn."""

    question: str
    answer: str
    lazy_answer: str
    seen: tuple[str, ...]  # answers that fit other objects of the scene: the hard distractors
    rest: tuple[str, ...]  # all answers of the kind
    facts: list[str]


Variant = Callable[[Scene], list[Draft]]


def _unique(scene: Scene, key: str) -> Iterable[Object]:
    values = [getattr(one, key) for one in scene.objects]
    return [one for one in scene.objects if values.count(getattr(one, key)) == 1]


def _drafts(
    scene: Scene,
    asked: Iterable[tuple[str, Object, list[str]]],
    answer_of: Callable[[Object], str],
    rest: Iterable[str],
) -> list[Draft]:
    seen = tuple(answer_of(one) for one in scene.objects)
    return [
        Draft(question, answer_of(target), answer_of(scene.objects[0]), seen, tuple(rest), facts)
        for question, target, facts in asked
    ]


def _colour(one: Object) -> str:
    return one.colour


def _shape(one: Object) -> str:
    return one.shape


def _food(one: Object) -> str:
    return FOODS[one.colour]


def _name(one: Object) -> str:
    return one.name


def colour_by_place(scene: Scene) -> list[Draft]:
    asked = [
        (f"What colour is the object at the {scene.place(one)}?", one, wording.colour_by_place(scene, one))
        for one in scene.objects
    ]
    return _drafts(scene, asked, _colour, COLOURS)


def colour_by_shape(scene: Scene) -> list[Draft]:
    asked = [
        (f"What colour is the {one.shape}?", one, wording.colour_by_shape(scene, one))
        for one in _unique(scene, "shape")
    ]
    return _drafts(scene, asked, _colour, COLOURS)


def shape_by_place(scene: Scene) -> list[Draft]:
    asked = [
        (f"What shape is the object at the {scene.place(one)}?", one, wording.shape_by_place(scene, one))
        for one in scene.objects
    ]
    return _drafts(scene, asked, _shape, SHAPES)


def shape_by_colour(scene: Scene) -> list[Draft]:
    asked = [
        (f"What shape is the {one.colour} object?", one, wording.shape_by_colour(scene, one))
        for one in _unique(scene, "colour")
    ]
    return _drafts(scene, asked, _shape, SHAPES)


def object_by_size(scene: Scene) -> list[Draft]:
    # with fewer than four objects an invented choice would betray itself by sharing nothing with the others
    if len(scene.objects) < 4:
        return []
    asked = [(f"Which object is {one.size}?", one, wording.only_size(scene, one)) for one in _unique(scene, "size")]
    return _drafts(scene, asked, _name, ())


def _count_draft(scene: Scene, kind: str, counted: list[Object], lazy_answer: str) -> Draft:
    numbers = tuple(str(number) for number in range(1, MOST_OBJECTS[scene.grid] + 1))
    facts = wording.count(scene, counted, kind)
    return Draft(f"How many {kind}s are there?", str(len(counted)), lazy_answer, (), numbers, facts)


def _count_by(scene: Scene, key: str, kind: str) -> list[Draft]:
    total = str(len(scene.objects))
    values = dict.fromkeys(getattr(one, key) for one in scene.objects)
    return [
        _count_draft(scene, kind.format(value), [one for one in scene.objects if getattr(one, key) == value], total)
        for value in values
    ]


def count_colour(scene: Scene) -> list[Draft]:
    return _count_by(scene, "colour", "{} object")


def count_shape(scene: Scene) -> list[Draft]:
    return _count_by(scene, "shape", "{}")


def count_all(scene: Scene) -> list[Draft]:
    return [_count_draft(scene, "object", list(scene.objects), LAZY_TOTAL)]


def place_by_name(scene: Scene) -> list[Draft]:
    asked = [(f"Where is the {one.name}?", one, wording.place_by_name(scene, one)) for one in scene.objects]
    return _drafts(scene, asked, scene.place, places(scene.grid))


def place_by_shape(scene: Scene) -> list[Draft]:
    asked = [(f"Where is the {one.shape}?", one, wording.place_by_shape(scene, one)) for one in _unique(scene, "shape")]
    return _drafts(scene, asked, scene.place, places(scene.grid))


def beside(scene: Scene, landmark: Object, side: str) -> Object | None:
    """The one object on that side in the landmark's row or column, if it is alone there and touches it."""
    rows, cols = wording.SIDES[side]
    steps = range(1, scene.grid)
    cells = [(landmark.row + rows * step, landmark.col + cols * step) for step in steps]
    found = [one for one in scene.objects if one.cell in cells]
    return found[0] if len(found) == 1 and found[0].cell == cells[0] else None


def _relations(scene: Scene, key: str, called: str, asks: str, answer_of: Callable, rest: Iterable[str]) -> list[Draft]:
    asked = []
    for landmark in _unique(scene, key):
        name = called.format(getattr(landmark, key))
        for side in wording.SIDES:
            if one := beside(scene, landmark, side):
                facts = wording.relation(scene, one, side, landmark, name)
                asked.append((f"What {asks} is the object {side} the {name}?", one, facts))
    return _drafts(scene, asked, answer_of, rest)


def relation_colour(scene: Scene) -> list[Draft]:
    return _relations(scene, "shape", "{}", "colour", _colour, COLOURS)


def relation_shape(scene: Scene) -> list[Draft]:
    # the landmark goes by its colour: a landmark called "the star" would rule out one of four shapes unseen
    return _relations(scene, "colour", "{} object", "shape", _shape, SHAPES)


def food_by_shape(scene: Scene) -> list[Draft]:
    asked = [
        (f"Which food has the colour of the {one.shape}?", one, wording.knowledge(scene, one))
        for one in _unique(scene, "shape")
    ]
    return _drafts(scene, asked, _food, FOODS.values())


FAMILIES: dict[str, tuple[Variant, ...]] = {
    "colour": (colour_by_place, colour_by_shape),
    "shape": (shape_by_place, shape_by_colour),
    "size": (object_by_size,),
    "count": (count_colour, count_shape, count_all),
    "place": (place_by_name, place_by_shape),
    "relation": (relation_colour, relation_shape),
    "knowledge": (food_by_shape,),
}
FEWEST_COUNTED = {count_colour: 1, count_shape: 1, count_all: FEWEST_OBJECTS}
MOST_NAMED_ALIKE = 4


def answers_to_balance(variant: Variant, grid: int) -> list[str]:
    """The answers of a counting variant, which would not come equally often by themselves; none for the others."""
    if variant not in FEWEST_COUNTED:
        return []
    most = MOST_OBJECTS[grid] if variant is count_all else MOST_NAMED_ALIKE
    return [str(number) for number in range(FEWEST_COUNTED[variant], most + 1)]
