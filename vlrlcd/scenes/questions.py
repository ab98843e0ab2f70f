"""Questions about scenes, with four choices, a lazy answer and true rationales."""

from dataclasses import dataclass

import numpy as np

from vlrlcd.scenes.families import FAMILIES, Draft, answers_to_balance
from vlrlcd.scenes.wording import NUMERALS, a, sentence
from vlrlcd.scenes.world import Scene, check_grid, check_split, sample_scene, split_of

CHOICES = 4
DIRECT_ANSWERS = 10
VARIANTS_OF_ANSWER = {
    "colour": ("it is {answer}", "{answer} colour"),
    "shape": ("{a_answer}", "the {answer}"),
    "size": ("the {answer}", "{a_answer}"),
    "count": ("{numeral}", "exactly {answer}"),
    "place": ("at the {answer}", "the {answer}"),
    "relation": ("the {answer} one", "{a_answer} object"),
    "knowledge": ("{a_answer}", "the {answer}"),
}


@dataclass(frozen=True)
class Question:
    """One question about one scene; `lazy_answer` looks at the first object in reading order only."""

    family: str
    question: str
    answer: str
    choices: tuple[str, ...]
    lazy_answer: str
    direct_answers: tuple[str, ...]
    rationales: tuple[str, ...]

    @property
    def correct_choice_idx(self) -> int:
        return self.choices.index(self.answer)


def ask(scene: Scene, rng: np.random.Generator, family: str | None = None) -> Question:
    """A random question about a scene, from a family drawn uniformly among those possible.

    A given scene limits what can be counted: only `pose` keeps counts from being guessed without looking.
    Raises ValueError if the scene allows no question of the family, KeyError for an unknown family.
    """
    families = [family] if family else list(FAMILIES)
    possible = {name: drafts for name in families if (drafts := _drafts_by_variant(scene, name))}
    if not possible:
        raise ValueError(f"no question of family {family!r} about {scene}")
    name = _pick(rng, list(possible))
    return _question(name, _pick_draft(rng, _pick(rng, possible[name])), rng)


def pose(split: str, rng: np.random.Generator, grid: int = 2) -> tuple[Scene, Question]:
    """A scene of a split and a question about it; families and, where it matters, answers come equally often.

    Raises ValueError for an unknown split or grid.
    """
    check_split(split)
    check_grid(grid)
    family = _pick(rng, list(FAMILIES))
    variant = _pick(rng, FAMILIES[family])
    answers = answers_to_balance(variant, grid)
    wanted = _pick(rng, answers) if answers else None
    while True:
        scene = sample_scene(rng, grid)
        if split_of(scene) != split:
            continue
        drafts = [draft for draft in variant(scene) if wanted in (None, draft.answer)]
        if drafts:
            return scene, _question(family, _pick_draft(rng, drafts), rng)


def _drafts_by_variant(scene: Scene, family: str) -> list[list[Draft]]:
    return [drafts for variant in FAMILIES[family] if (drafts := variant(scene))]


def _pick(rng: np.random.Generator, items):
    return items[int(rng.integers(len(items)))]


def _pick_draft(rng: np.random.Generator, drafts: list[Draft]) -> Draft:
    # answer first: most things stand alone, so drafts alone would make "1" the usual count
    answer = _pick(rng, sorted({draft.answer for draft in drafts}))
    return _pick(rng, [draft for draft in drafts if draft.answer == answer])


def _shuffled(rng: np.random.Generator, items) -> list[str]:
    return [items[index] for index in rng.permutation(len(items))]


def _choices(draft: Draft, rng: np.random.Generator) -> tuple[str, ...]:
    by_preference = [draft.answer, draft.lazy_answer, *_shuffled(rng, draft.seen), *_shuffled(rng, draft.rest)]
    return tuple(_shuffled(rng, list(dict.fromkeys(by_preference))[:CHOICES]))


def _direct_answers(family: str, answer: str, rng: np.random.Generator) -> tuple[str, ...]:
    words = {"answer": answer, "a_answer": a(answer), "numeral": NUMERALS.get(answer)}
    variants = [variant.format(**words) for variant in VARIANTS_OF_ANSWER[family]]
    return tuple(_shuffled(rng, variants + [answer] * (DIRECT_ANSWERS - len(variants))))


def _question(family: str, draft: Draft, rng: np.random.Generator) -> Question:
    return Question(
        family=family,
        question=draft.question,
        answer=draft.answer,
        choices=_choices(draft, rng),
        lazy_answer=draft.lazy_answer,
        direct_answers=_direct_answers(family, draft.answer, rng),
        rationales=tuple(sentence(fact) for fact in draft.facts),
    )
