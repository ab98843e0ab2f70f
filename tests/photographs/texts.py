"""Seven photographs that scikit-image and scikit-learn ship, with questions and answers of our own.

Astronaut: NASA, public domain. Coffee: Rachel Michetti, CC0. Cat: Stefan van der Walt, CC0. Rocket: SpaceX, public
domain. Photographer: Lav Varshney, CC0. Pavilion: danielbuechele, CC BY 2.0. Flower: vultilion, CC BY 2.0.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Photograph:
    """One row. `correct` is the place of the right choice; `direct` says how many of ten people gave each answer."""

    split: str
    package: str
    file: str
    question: str
    choices: tuple[str, ...]
    correct: int
    direct: dict[str, int]
    rationales: tuple[str, str, str]


PHOTOGRAPHS = (
    Photograph(
        "train",
        "skimage.data",
        "astronaut.png",
        "What is the person in the orange suit trained to do?",
        ("fight fires", "dive for pearls", "fly into space", "collect rubbish"),
        2,
        {"fly into space": 5, "go to space": 3, "pilot a shuttle": 2},
        (
            "A model of a space shuttle stands behind her and a helmet with a visor is at her side.",
            "The suit has the ring at the neck that a space helmet closes on.",
            "The badges and the flag belong to the American space agency.",
        ),
    ),
    Photograph(
        "train",
        "skimage.data",
        "coffee.png",
        "How was the drink in the red cup made?",
        ("by pressing hot water through ground beans", "by squeezing fruit", "by melting ice", "by boiling milk"),
        0,
        {"espresso machine": 6, "with an espresso machine": 2, "brewed": 2},
        (
            "A small cup of dark liquid with light brown foam is an espresso, pressed through ground beans.",
            "The foam on top is the crema that only pressure brings about.",
            "The cup is small, as cups for espresso are.",
        ),
    ),
    Photograph(
        "train",
        "skimage.data",
        "chelsea.png",
        "What are the long white hairs beside this animal's nose for?",
        ("keeping warm", "feeling what is near", "showing its age", "catching insects"),
        1,
        {"feeling": 6, "sensing": 3, "touch": 1},
        (
            "The animal is a cat, and a cat feels its way with its whiskers.",
            "Whiskers sit deep in the skin beside many nerves.",
            "The hairs are stiffer and longer than its fur, so they do not warm it.",
        ),
    ),
    Photograph(
        "train",
        "skimage.data",
        "rocket.jpg",
        "What will the tall white object between the towers do next?",
        ("take off", "light a harbour", "ring at noon", "pump oil"),
        0,
        {"take off": 4, "launch": 4, "lift off": 2},
        (
            "It is a rocket on its launch pad, so it is about to take off.",
            "The lattice towers around it protect a launch pad from lightning.",
            "Floodlights shine on a slender white rocket.",
        ),
    ),
    Photograph(
        "train",
        "skimage.data",
        "camera.png",
        "Why does the thing on three legs not shake?",
        ("it is glued down", "the man holds it up", "it is very small", "a tripod carries it"),
        3,
        {"tripod": 9, "it is on a tripod": 1},
        (
            "The man looks through a camera that stands on a tripod.",
            "Three legs on the grass bear the weight of the camera.",
            "A camera on a tripod rests firmly on the ground.",
        ),
    ),
    Photograph(
        "val",
        "sklearn.datasets.images",
        "china.jpg",
        "In which part of the world is a building like this at home?",
        ("South America", "East Asia", "West Africa", "Northern Europe"),
        1,
        {"asia": 5, "china": 4, "east asia": 1},
        (
            "The roofs are stacked and their corners turn up, as in Chinese pavilions.",
            "It is a tower in the Chinese style above a lake.",
            "Red pillars under curved tiled roofs are common in East Asia.",
        ),
    ),
    Photograph(
        "val",
        "sklearn.datasets.images",
        "flower.jpg",
        "What may visit this orange object for food?",
        ("a bee", "a shark", "an owl", "a snake"),
        0,
        {"bee": 7, "a bee": 2, "butterfly": 1},
        (
            "It is a flower in bloom, and bees feed on what flowers offer.",
            "Insects such as bees come to its petals.",
            "A dahlia in bloom has nectar, which a bee collects.",
        ),
    ),
)
