"""The scene graph: what stands where, and which split a scene belongs to."""

from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import product

import numpy as np

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple")
SHAPES = ("circle", "square", "triangle", "star")
SIZES = ("small", "large")
LOOKS = tuple(product(COLOURS, SHAPES))
FOODS = {
    "red": "cherry",
    "green": "lime",
    "blue": "blueberry",
    "yellow": "banana",
    "orange": "carrot",
    "purple": "plum",
}
PLACES = {
    2: (("top left", "top right"), ("bottom left", "bottom right")),
    3: (
        ("top left", "top middle", "top right"),
        ("middle left", "centre", "middle right"),
        ("bottom left", "bottom middle", "bottom right"),
    ),
}
MOST_OBJECTS = {2: 4, 3: 5}
FEWEST_OBJECTS = 2
SPLIT_PERCENT = {"pretrain": 80, "train": 10, "val": 8, "test": 2}
SHARED_LOOK_SHARE = 0.35


def check_grid(grid: int) -> None:
    """Raises ValueError for a grid without place names."""
    if grid not in PLACES:
        raise ValueError(f"grid must be one of {sorted(PLACES)}, got {grid}")


def check_split(split: str) -> None:
    """Raises ValueError for an unknown split."""
    if split not in SPLIT_PERCENT:
        raise ValueError(f"split must be one of {sorted(SPLIT_PERCENT)}, got {split!r}")


@dataclass(frozen=True)
class Object:
    """One coloured shape in one cell of the grid."""

    colour: str
    shape: str
    size: str
    row: int
    col: int

    @property
    def cell(self) -> tuple[int, int]:
        return self.row, self.col

    @property
    def name(self) -> str:
        """Colour and shape, unique in its scene."""
        return f"{self.colour} {self.shape}"

    @property
    def full_name(self) -> str:
        return f"{self.size} {self.name}"


@dataclass(frozen=True)
class Scene:
    """Objects on a grid x grid board, kept in reading order.

    Raises ValueError for an unknown grid or word, a place outside the board, or two objects with one place or one name.
    """

    grid: int
    objects: tuple[Object, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "objects", tuple(sorted(self.objects, key=lambda one: one.cell)))
        check_grid(self.grid)
        for one in self.objects:
            known = one.colour in COLOURS and one.shape in SHAPES and one.size in SIZES
            if not known or not (0 <= one.row < self.grid and 0 <= one.col < self.grid):
                raise ValueError(f"not an object of a {self.grid} x {self.grid} scene: {one}")
        for what in ({one.cell for one in self.objects}, {one.name for one in self.objects}):
            if len(what) < len(self.objects):
                raise ValueError(f"two objects share a place or a name: {self.objects}")

    def place(self, one: Object) -> str:
        return PLACES[self.grid][one.row][one.col]

    def to_dict(self) -> dict:
        return {"grid": self.grid, "objects": [asdict(one) for one in self.objects]}

    @classmethod
    def from_dict(cls, scene: dict) -> "Scene":
        return cls(scene["grid"], tuple(Object(**one) for one in scene["objects"]))


def places(grid: int) -> list[str]:
    """All place names of a grid, in reading order."""
    return [place for row in PLACES[grid] for place in row]


def sample_scene(rng: np.random.Generator, grid: int = 2) -> Scene:
    """Two or more objects of distinct names; in some scenes several share their colour or their shape."""
    check_grid(grid)
    count = int(rng.integers(FEWEST_OBJECTS, MOST_OBJECTS[grid] + 1))
    cells = rng.permutation(grid * grid)[:count].tolist()
    sizes = rng.integers(len(SIZES), size=count).tolist()
    return Scene(
        grid,
        tuple(
            Object(colour, shape, SIZES[size], *divmod(cell, grid))
            for cell, (colour, shape), size in zip(cells, _sample_looks(rng, count), sizes, strict=True)
        ),
    )


def _sample_looks(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    first, *others = (LOOKS[index] for index in rng.permutation(len(LOOKS)).tolist())
    if rng.random() < SHARED_LOOK_SHARE:
        axis = int(rng.integers(2))
        most = min(count, len(SHAPES))
        alike = [look for look in others if look[axis] == first[axis]][: int(rng.integers(1, most))]
        others = alike + [look for look in others if look not in alike]
    return [first, *others[: count - 1]]


def fingerprint(scene: Scene) -> str:
    """Canonical text of a scene: equal exactly for equal scenes."""
    objects = ";".join(f"{one.row},{one.col},{one.size},{one.colour},{one.shape}" for one in scene.objects)
    return f"{scene.grid}|{objects}"


def split_of(scene: Scene) -> str:
    """The one split a scene belongs to, decided by its fingerprint alone."""
    bucket = int.from_bytes(sha256(fingerprint(scene).encode()).digest()[:8], "big") % 100
    for split, percent in SPLIT_PERCENT.items():
        if bucket < percent:
            return split
        bucket -= percent
    raise AssertionError("the split percentages do not add up to 100")


def sample_scene_of(split: str, rng: np.random.Generator, grid: int = 2) -> Scene:
    """A random scene of a split. Raises ValueError for an unknown split."""
    check_split(split)
    while split_of(scene := sample_scene(rng, grid)) != split:
        pass
    return scene
