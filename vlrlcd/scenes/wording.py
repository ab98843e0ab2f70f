"""The sentences about a scene: one fixed wording per fact."""

from collections.abc import Sequence

from vlrlcd.scenes.world import FOODS, Object, Scene

SIDES = {
    "to the left of": (0, -1),
    "to the right of": (0, 1),
    "above": (-1, 0),
    "below": (1, 0),
}
NUMERALS = {"1": "one", "2": "two", "3": "three", "4": "four", "5": "five"}


def a(words: str) -> str:
    """The words with their indefinite article."""
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def listed(parts: Sequence[str]) -> str:
    """'x', 'x and y', 'x, y and z'."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def number_of(count: int, kind: str) -> str:
    """'1 red object', '2 stars'."""
    return f"{count} {kind}" if count == 1 else f"{count} {kind}s"


def colour_by_place(scene: Scene, one: Object) -> list[str]:
    place = scene.place(one)
    return [
        f"the object at the {place} is {a(one.full_name)}",
        f"{a(one.full_name)} is at the {place}",
        f"the {one.shape} at the {place} is {one.colour}",
    ]


def colour_by_shape(scene: Scene, one: Object) -> list[str]:
    place = scene.place(one)
    return [
        f"the {one.shape} at the {place} is {one.colour}",
        f"there is {a(one.name)} at the {place}",
        f"the {one.shape} is {one.colour}",
    ]


def shape_by_place(scene: Scene, one: Object) -> list[str]:
    place = scene.place(one)
    return [
        f"the object at the {place} is {a(one.full_name)}",
        f"{a(one.full_name)} is at the {place}",
        f"the {one.colour} object at the {place} is {a(one.shape)}",
    ]


def shape_by_colour(scene: Scene, one: Object) -> list[str]:
    place = scene.place(one)
    return [
        f"the {one.colour} object at the {place} is {a(one.shape)}",
        f"there is {a(one.name)} at the {place}",
        f"the {one.colour} object is {a(one.shape)}",
    ]


def only_size(scene: Scene, one: Object) -> list[str]:
    other = {"small": "large", "large": "small"}[one.size]
    return [
        f"the only {one.size} object is the {one.name}",
        f"the {one.name} is {one.size} and the others are {other}",
        f"the {one.name} at the {scene.place(one)} is {one.size}",
    ]


def count(scene: Scene, counted: Sequence[Object], kind: str) -> list[str]:
    verb = "is" if len(counted) == 1 else "are"
    number = number_of(len(counted), kind)
    where = listed([f"at the {scene.place(one)}" for one in counted])
    return [
        f"there {verb} {number}: {where}",
        f"{number} {verb} in the picture",
        f"the number of {kind}s is {len(counted)}",
    ]


def place_by_name(scene: Scene, one: Object) -> list[str]:
    place = scene.place(one)
    return [
        f"the {one.full_name} is at the {place}",
        f"there is {a(one.name)} at the {place}",
        f"the object at the {place} is {a(one.name)}",
    ]


def place_by_shape(scene: Scene, one: Object) -> list[str]:
    place = scene.place(one)
    return [
        f"the {one.shape} is at the {place}",
        f"the {one.full_name} is at the {place}",
        f"the object at the {place} is {a(one.shape)}",
    ]


def relation(scene: Scene, one: Object, side: str, landmark: Object, called: str) -> list[str]:
    return [
        f"the object {side} the {called} is {a(one.full_name)}",
        f"the {one.full_name} is {side} the {called}",
        f"the {called} is at the {scene.place(landmark)} and the {one.name} is at the {scene.place(one)}",
    ]


def knowledge(scene: Scene, one: Object) -> list[str]:
    food = a(FOODS[one.colour])
    return [
        f"the {one.shape} is {one.colour} and {food} is {one.colour}",
        f"the {one.shape} at the {scene.place(one)} is {one.colour}, like {food}",
        f"the {one.name} has the colour of {food}",
    ]
