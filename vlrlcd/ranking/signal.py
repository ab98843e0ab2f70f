"""Does r know what is right? Rank statistics of the margins against correctness, where it can be checked."""

import math

import numpy as np
from scipy.stats import rankdata, spearmanr


def auc(scores: np.ndarray, correct: np.ndarray) -> float:
    """Probability that a right answer scores above a wrong one, ties a half; nan if only one kind is there."""
    right, wrong = int(correct.sum()), int((~correct).sum())
    if not right or not wrong:
        return math.nan
    return float((rankdata(scores)[correct].sum() - right * (right + 1) / 2) / (right * wrong))


def signal_strength(records: list[dict]) -> dict[str, float | None]:
    """`auc` within groups (mean over groups with both kinds), `auc_pooled`, `spearman` pooled, `candidate_accuracy`.

    Args:
        records: groups whose `candidates` have `r`, `correct` and `copies`.

    Every drawn candidate counts, copies too. Groups whose answer cannot be checked are left out; None where undefined.
    """
    scores, correct = [], []
    for record in records:
        checked = [c for c in record["candidates"] if c["correct"] is not None]
        scores.append(np.array([c["r"] for c in checked for _ in range(c["copies"])]))
        correct.append(np.array([c["correct"] for c in checked for _ in range(c["copies"])], dtype=bool))
    within = [value for s, c in zip(scores, correct, strict=True) if not math.isnan(value := auc(s, c))]
    flat_s, flat_c = np.concatenate(scores), np.concatenate(correct)
    if not len(flat_c):
        return dict.fromkeys(("auc", "auc_pooled", "spearman", "candidate_accuracy"))
    varied = len(set(flat_s)) > 1 and 0 < flat_c.mean() < 1
    return {
        "auc": float(np.mean(within)) if within else None,
        "auc_pooled": auc(flat_s, flat_c) if varied else None,
        "spearman": float(spearmanr(flat_s, flat_c).statistic) if varied else None,
        "candidate_accuracy": float(flat_c.mean()),
    }
