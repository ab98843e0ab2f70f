"""BLEU, chrF and ROUGE-L against the libraries' own corpus and single scores, computed the slow way."""

from itertools import zip_longest

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from vlrlcd.evaluation.rationales import corpus_scores, rouge_l

WORDS = ["the", "star", "is", "red", "and", "large", "left", "of", "circle", "blue", "square"]


@pytest.fixture(scope="module")
def written(make):
    """Sixty explanations with one to three references each, more or less near."""
    rng = np.random.default_rng(3)

    def sentence():
        return " ".join(rng.choice(WORDS, size=9))

    examples = [make(n, rationales=tuple(sentence() for _ in range(n % 3 + 1))) for n in range(60)]
    return examples, [e.rationales[0] if n % 2 else sentence() for n, e in enumerate(examples)]


def slow(metric, examples, texts):
    return metric.corpus_score(texts, list(zip_longest(*(e.rationales for e in examples)))).score


@pytest.mark.parametrize(("name", "metric"), [("bleu", BLEU), ("chrf", CHRF)])
def test_the_corpus_and_its_resamples_score_as_sacrebleu_does(written, name, metric):
    examples, texts = written
    found = corpus_scores(examples, texts, 40, seed=5)[name]
    assert found["value"] == pytest.approx(slow(metric(), examples, texts))
    draws = np.random.default_rng(5).integers(60, size=(40, 60))
    scores = [slow(metric(), [examples[i] for i in draw], [texts[i] for i in draw]) for draw in draws]
    assert [found["low"], found["high"]] == pytest.approx(np.percentile(scores, [2.5, 97.5]))
    assert found["n"] == 60


def test_rouge_l_takes_the_best_reference(make):
    example = make(rationales=("it is a yellow car", "the taxi is yellow"))
    scorer = RougeScorer(["rougeL"])
    best = max(scorer.score(r, "the taxi is red")["rougeL"].fmeasure for r in example.rationales)
    assert rouge_l([example], ["the taxi is red"]) == [pytest.approx(best)]
    assert rouge_l([example], ["The taxi is yellow."]) == [1.0]


def test_without_a_reference_nothing_counts(make):
    assert rouge_l([make(), make(rationales=("a",))], ["a", "b"]) == [None, 0.0]
    assert corpus_scores([make()], ["a"], 10, 0) == {}
    assert corpus_scores([make(), make(rationales=("a b c",))], ["x", ""], 10, 0)["bleu"] == {
        **{"value": 0.0, "low": 0.0, "high": 0.0},
        "n": 1,
    }


def test_an_explanation_in_its_own_words_scores_full_marks(make):
    text = "the star at the top left is red"
    found = corpus_scores([make(rationales=("other words", text))], [f"{text}."], 10, 0)
    assert found["chrf"]["value"] > 95
    found = corpus_scores([make(rationales=("other words", text))], [text], 10, 0)
    assert found["bleu"]["value"] == pytest.approx(100) and found["chrf"]["value"] == pytest.approx(100)
