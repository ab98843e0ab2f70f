"""Which figures a set of answers gets: scores by example, then metrics with intervals."""

from collections.abc import Mapping, Sequence

from vlrlcd.config import EvaluationConfig
from vlrlcd.data.card import Card
from vlrlcd.data.example import Example
from vlrlcd.data.tasks import BOXED, CHOICE, Check
from vlrlcd.evaluation import metrics, rationales, truth
from vlrlcd.evaluation.answers import Answer
from vlrlcd.evaluation.intervals import Metric, interval, ratio_interval
from vlrlcd.evaluation.metrics import Scores
from vlrlcd.evaluation.types import question_type

BY_TYPE = ("accuracy", "direct_answer", "rouge_l")
"""Metrics that are also given by question type, as `METRIC/TYPE`."""


def headline(card: Card) -> str:
    """The metric by which a data set's task is judged first."""
    return "accuracy" if card.check else "rouge_l"


def headline_scores(card: Card, examples: Sequence[Example], texts: Sequence[str]) -> Scores:
    """The headline metric of each answer."""
    if card.check:
        return metrics.accuracy(card.check, examples, metrics.named(card.check, examples, texts))
    return rationales.rouge_l(examples, card.explanations(texts))


def checked_scores(
    check: Check, examples: Sequence[Example], named: Sequence[str | None], seen: Sequence[Example]
) -> dict[str, Scores]:
    """Of what answers name. `seen` are the training prompts, from which the majority answer is taken."""
    found = {
        "accuracy": metrics.accuracy(check, examples, named),
        "unreadable": metrics.unreadable(check, examples, named),
    }
    if check is BOXED:
        found["string_match"] = metrics.string_match(examples, named)
    return {**found, "majority": metrics.majority(examples, seen)} if seen and check is CHOICE else found


def direct_scores(examples: Sequence[Example], answers: Sequence[str | None]) -> dict[str, Scores]:
    """Of direct answers: by the official rule, and with case and the closing full stop forgiven."""
    return {
        "direct_answer": metrics.direct_answer_official(examples, answers),
        "direct_answer_normalised": metrics.direct_answer_normalised(examples, answers),
    }


def explanation_scores(card: Card, examples: Sequence[Example], answers: Sequence[Answer]) -> dict[str, Scores]:
    """Of explanations: near to people's, true of a drawn scene; and how long the answers are."""
    texts = [answer.text for answer in answers]
    made = truth.claims_of(examples, texts)
    return {
        "rouge_l": rationales.rouge_l(examples, card.explanations(texts)),
        "truthful_rationales": truth.truthful(made),
        "claims_per_rationale": truth.claims_made(made),
        "hallucinating_rationales": truth.hallucinates(made),
        "false_claims": truth.false_claims(made),
        "tokens": [float(answer.tokens) for answer in answers],
        "characters": [float(len(answer.text)) for answer in answers],
        "truncated": [float(answer.truncated) for answer in answers],
    }


def summarised(
    examples: Sequence[Example], scores: Mapping[str, Scores], wanted: EvaluationConfig, seed: int
) -> dict[str, Metric]:
    """Means with 95 % intervals, in the order of the scores, then by question type.

    What no example counts for is left out. `false_claims` is the share of all claims.
    """
    types = [question_type(example) for example in examples]
    table = {name: interval(values, wanted.resamples, seed) for name, values in scores.items()}
    if "false_claims" in scores:
        of = (scores["false_claims"], scores["claims_per_rationale"])
        table["false_claims"] = ratio_interval(*of, wanted.resamples, seed)
    for name in (name for name in BY_TYPE if name in scores):
        for kind in sorted(set(types)):
            values = [value for value, its in zip(scores[name], types, strict=True) if its == kind]
            table[f"{name}/{kind}"] = interval(values, wanted.resamples, seed)
    return {name: found for name, found in table.items() if found["n"]}
