"""Explanations against those that people wrote: BLEU and chrF by sacrebleu, ROUGE-L by rouge-score.

The texts are explanations as `Card.explanations` cuts them out of answers. All references of an example count: BLEU and
chrF are multi-reference, ROUGE-L takes the best. An example without references does not count.
"""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from vlrlcd.data.example import Example
from vlrlcd.evaluation.intervals import Metric

PERCENTILES = (2.5, 97.5)
CORPUS = {"bleu": BLEU, "chrf": CHRF}


def rouge_l(examples: Sequence[Example], texts: Sequence[str]) -> list[float | None]:
    """F1 of the longest common subsequence with the nearest reference, 0 to 1.

    rouge-score splits at whatever is no Latin letter or digit, so it means nothing for other scripts.
    """
    # it imports all of nltk, a second that only an evaluation should cost
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])
    return [
        scorer.score_multi(example.rationales, text)["rougeL"].fmeasure if example.rationales else None
        for example, text in zip(examples, texts, strict=True)
    ]


def corpus_scores(examples: Sequence[Example], texts: Sequence[str], resamples: int, seed: int) -> dict[str, Metric]:
    """BLEU and chrF over all examples together, 0 to 100, with 95 % percentile bootstrap intervals over examples.

    Empty where no example has a reference.
    """
    pairs = [(e.rationales, t) for e, t in zip(examples, texts, strict=True) if e.rationales]
    if not pairs:
        return {}
    references, said = zip(*pairs, strict=True)
    # one stream per place in the list of references, None where an example has fewer
    streams = list(zip_longest(*references))
    return {name: _corpus_score(metric(), said, streams, resamples, seed) for name, metric in CORPUS.items()}


def _corpus_score(
    metric, said: Sequence[str], streams: list[Sequence[str | None]], resamples: int, seed: int
) -> Metric:
    # sacrebleu's own interval is a half-width around another mean, and its code fails where a resample scores 0
    counts = np.array(metric._extract_corpus_statistics(said, streams))
    draws = np.random.default_rng(seed).integers(len(said), size=(resamples, len(said)))
    scores = [metric._compute_score_from_stats(counts[draw].sum(0).tolist()).score for draw in draws]
    low, high = np.percentile(scores, PERCENTILES)
    value = metric._compute_score_from_stats(counts.sum(0).tolist()).score
    return {"value": float(value), "low": float(low), "high": float(high), "n": len(said)}
