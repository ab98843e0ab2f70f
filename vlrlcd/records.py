"""What a step of stage II leaves of each group, and the figures of the step that follow from it.

A record is a line of samples.jsonl. The figures are computed from the records of all processes, so they do not depend
on how the groups were shared out.
"""

from dataclasses import dataclass
from statistics import fmean

from torch import Tensor

from vlrlcd.group import Group
from vlrlcd.ranking.distribution import effective_size
from vlrlcd.ranking.rank import Ranking
from vlrlcd.ranking.signal import signal_strength


@dataclass(frozen=True)
class Outcome:
    """Of one group: loss without KL, KL, the largest gap of sampling to training log-probs, log q by candidate, in how
    many pieces it was learned from, and whether attention was dense, under a mask, instead of branch by branch."""

    loss: float
    kl: float
    logp_gap: float
    log_q_K: Tensor
    pieces: int
    dense: bool


def group_record(group: Group, ranking: Ranking, row: int, outcome: Outcome, step: int) -> dict:
    """One group as it is logged; `row` is its place in the ranking."""
    rankable, anchor_score = bool(ranking.rankable_B[row]), ranking.anchor_B[row].item()
    log_d_K = ranking.log_d_BK[row, : len(group.candidates)]
    log_q_K = outcome.log_q_K[: len(group.candidates)]
    columns = zip(
        group.candidates,
        ranking.g_BK[row].tolist(),
        ranking.r_BK[row].tolist(),
        log_d_K.exp().tolist(),
        log_q_K.exp().tolist(),
        strict=False,
    )
    return {
        "stage": "stage2",
        "step": step,
        "id": group.example.id,
        "images": [None if isinstance(image, bytes) else str(image) for image in group.example.images],
        "descriptions": group.descriptions,
        "question": group.example.question,
        "choices": list(group.example.choices),
        "answer": group.example.answer,
        "anchor": group.anchor,
        "anchor_score": anchor_score,
        "rankable": rankable,
        "preference_loss": outcome.loss,
        "kl": outcome.kl,
        "logp_gap": outcome.logp_gap,
        "pieces": outcome.pieces,
        "dense": outcome.dense,
        "effective_k_d": effective_size(log_d_K[None]).item(),
        "effective_k_q": effective_size(log_q_K[None]).item(),
        "candidates": [
            {
                "text": candidate.text,
                "tokens": len(candidate.tokens),
                "score": g,
                "r": r,
                "D": d,
                "q": q,
                "correct": candidate.correct,
                "truncated": candidate.truncated,
                "copies": candidate.copies,
                "drawn": candidate.sampled_logp is not None,
            }
            for candidate, g, r, d, q in columns
        ],
    }


def preference_figures(records: list[dict], beta: float) -> dict[str, float | None]:
    """The step's line of metrics.jsonl."""
    sampled = [{**record, "candidates": [c for c in record["candidates"] if c["drawn"]]} for record in records]
    candidates = [candidate for record in sampled for candidate in record["candidates"]]
    drawn = sum(c["copies"] for c in candidates)
    rankable = [record["preference_loss"] for record in records if record["rankable"]]
    preference_loss, kl = sum(rankable) / max(1, len(rankable)), _mean(records, "kl")
    return {
        "loss": preference_loss + beta * kl,
        "preference_loss": preference_loss,
        "kl": kl,
        "logp_gap": max(record["logp_gap"] for record in records),
        "effective_k_d": _mean(records, "effective_k_d"),
        "effective_k_q": _mean(records, "effective_k_q"),
        "tied_share": 1 - len(rankable) / len(records),
        "truncated_share": sum(c["copies"] * c["truncated"] for c in candidates) / drawn,
        "mean_length": sum(c["copies"] * c["tokens"] for c in candidates) / drawn,
        "distinct_share": len(candidates) / drawn,
        "drawn": drawn,
        "split_share": fmean(record["pieces"] > 1 for record in records),
        "dense_share": fmean(record["dense"] for record in records),
        **signal_strength(sampled),
    }


def _mean(records: list[dict], key: str) -> float:
    return fmean(record[key] for record in records)
