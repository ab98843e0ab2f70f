"""What one optimiser step of each stage does. A method of stage II is a pair (supervision, loss)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vlrlcd import losses
from vlrlcd.clock import Clock
from vlrlcd.config import Config
from vlrlcd.engine import Engine
from vlrlcd.group import Group, fold, padded
from vlrlcd.prefix_branches import Branches, pack
from vlrlcd.ranking.distribution import effective_size
from vlrlcd.ranking.rank import Ranker, Ranking, rank
from vlrlcd.ranking.signal import signal_strength
from vlrlcd.sampling import SamplingSettings, uniforms


@dataclass(frozen=True)
class Scale:
    """tau and gamma of the label distribution, fixed for a run."""

    tau: float
    gamma: float


@dataclass
class Step:
    """What a step tells: figures for metrics.jsonl, lines for samples.jsonl, answer tokens learned from."""

    figures: dict
    samples: list[dict]
    tokens: int


def passes(items: list, size: int) -> list[list]:
    """The items in runs of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def sft_step(engine: Engine, config: Config, groups: list[Group], clock: Clock) -> Step:
    """Gradient of the cross-entropy on the anchors [paper, stage I]."""
    tokens, total = sum(len(group.anchor_tokens) for group in groups), 0.0
    parts = passes(groups, config.engine.prompts_per_pass)
    with clock("train"):
        for i, part in enumerate(parts):
            branches = pack([[group.anchor_tokens] for group in part])
            logps_N = engine.run("logps", engine.adapter.collate([group.row for group in part]), branches)
            loss = losses.cross_entropy(logps_N, tokens)
            engine.backward(loss, last=i == len(parts) - 1)
            total += loss.item()
    return Step({"loss": total}, [], tokens)


def sample_candidates(engine: Engine, config: Config, groups: list[Group], step: int | str) -> None:
    """Fills `group.candidates` with the student's own answers."""
    wanted = config.sampling
    settings = SamplingSettings(wanted.candidates, wanted.max_new_tokens, wanted.temperature, wanted.top_p)
    for part in passes(groups, config.engine.prompts_per_pass):
        drawn = uniforms(config.run.seed, step, [group.example.id for group in part], settings)
        draws = engine.run("sample", engine.adapter.collate([group.row for group in part]), settings, drawn)
        for group, own in zip(part, draws, strict=True):
            group.candidates = fold(own, engine.adapter.chat.decode, group.judge)


def ldl_loss(config: Config, logps_BK: Tensor, reference_BK: Tensor, lengths_BK: Tensor, ranking: Ranking):
    """KL(D || q) of each group `[B]` and log q `[B, K]` [paper, LDL-GRPO]."""
    wanted, device = config.stage2, logps_BK.device
    scores_BK = losses.candidate_scores(wanted.q, logps_BK, reference_BK, lengths_BK)
    log_q_BK = losses.log_q(scores_BK, ranking.copies_BK.to(device), wanted.q_temperature)
    return losses.ldl(ranking.log_d_BK.to(device), log_q_BK), log_q_BK


@dataclass(frozen=True)
class Method:
    """Attributes:
    supervise: (engine, ranker, groups, tau, gamma, step) to a `Ranking`.
    loss: (config, logps_BK, reference_BK, lengths_BK, ranking) to the loss of each group and log q.
    """

    supervise: Callable[..., Ranking]
    loss: Callable[..., tuple[Tensor, Tensor]]


METHODS: dict[str, Method | None] = {"sft": None, "ldl_grpo": Method(rank, ldl_loss)}


def preference_step(
    engine: Engine, config: Config, ranker: Ranker, scale: Scale, groups: list[Group], step: int, clock: Clock
) -> Step:
    """Sample, rank, and the gradient of: mean loss over rankable groups + beta * mean KL over all groups."""
    method = METHODS[config.stage2.method]
    with clock("sample"):
        sample_candidates(engine, config, groups, step)
    with clock("rank"):
        ranking = method.supervise(engine, ranker, groups, scale.tau, scale.gamma, step)
    with clock("train"):
        terms, log_q_BK = _learn(engine, config, method, groups, ranking)
    figures = {
        "loss": terms["ldl"] + config.stage2.beta * terms["kl"],
        **terms,
        "effective_k_d": effective_size(ranking.log_d_BK).mean().item(),
        "effective_k_q": effective_size(log_q_BK).mean().item(),
        "tied_share": 1 - ranking.rankable_B.float().mean().item(),
        **_answer_figures(config, groups),
        **signal_strength(groups, ranking.r_BK),
    }
    tokens = sum(len(c.tokens) for group in groups for c in group.candidates)
    return Step(figures, _sample_lines(groups, ranking, log_q_BK, step), tokens)


def _learn(engine: Engine, config: Config, method: Method, groups: list[Group], ranking: Ranking):
    rankable = max(1, int(ranking.rankable_B.sum()))
    sums, log_qs = {"ldl": 0.0, "kl": 0.0, "logp_gap": 0.0}, []
    parts = passes(list(range(len(groups))), config.engine.prompts_per_pass)
    for index in parts:
        part = [groups[i] for i in index]
        batch = engine.adapter.collate([group.row for group in part])
        branches = pack([[c.tokens for c in group.candidates] for group in part])
        reference_NH, reference_N = engine.run("reference_states", batch, branches)
        logps_N, kl_N = engine.run("logps_and_kl", batch, branches, reference_NH)
        own = _rows(ranking, index)
        branches = branches.to(engine.device)
        logps_BK, reference_BK, kl_BK, lengths_BK = _per_candidate(branches, part, logps_N, reference_N, kl_N)
        loss_B, log_q_BK = method.loss(config, logps_BK, reference_BK, lengths_BK, own)
        ldl = (loss_B * own.rankable_B.to(loss_B.device)).sum() / rankable
        kl = losses.group_kl(kl_BK / lengths_BK.clamp(min=1), own.copies_BK.to(kl_BK.device)).sum() / len(groups)
        engine.backward(ldl + config.stage2.beta * kl, last=index is parts[-1])
        sums["ldl"] += ldl.item()
        sums["kl"] += kl.item()
        sums["logp_gap"] = max(sums["logp_gap"], _logp_gap(part, branches, logps_N))
        log_qs.append(log_q_BK.detach().cpu())
    widest = ranking.copies_BK.shape[1]
    filled = [torch.nn.functional.pad(q, (0, widest - q.shape[1]), value=-torch.inf) for q in log_qs]
    return sums, torch.cat(filled)


def _rows(ranking: Ranking, index: list[int]) -> Ranking:
    """The ranking of some groups, no wider than the widest of them."""
    width = int((ranking.copies_BK[index] > 0).sum(-1).max())
    cut = {name: t[index, :width] if t.dim() == 2 else t[index] for name, t in vars(ranking).items()}
    return Ranking(**cut)


def _per_candidate(branches: Branches, groups: list[Group], *values_N: Tensor) -> list[Tensor]:
    """Token sums of each candidate `[B, K]` for every given `[N]`, and last the candidates' lengths `[B, K]`."""
    sums = [padded(branches.sum_per_branch(values), groups, 0.0) for values in values_N]
    return [*sums, padded(branches.lengths_G.float(), groups, 0.0)]


def _logp_gap(groups: list[Group], branches: Branches, logps_N: Tensor) -> float:
    """Largest difference per token between log-probs at sampling time and in the training pass."""
    sampled_G = torch.tensor([c.sampled_logp for group in groups for c in group.candidates], device=logps_N.device)
    gap_G = (branches.sum_per_branch(logps_N.detach()) - sampled_G).abs() / branches.lengths_G
    return gap_G.max().item()


def _answer_figures(config: Config, groups: list[Group]) -> dict:
    candidates = [c for group in groups for c in group.candidates]
    drawn = sum(c.copies for c in candidates)
    return {
        "truncated_share": sum(c.copies * c.truncated for c in candidates) / drawn,
        "mean_length": sum(c.copies * len(c.tokens) for c in candidates) / drawn,
        "distinct_share": len(candidates) / drawn,
    }


def _sample_lines(groups: list[Group], ranking: Ranking, log_q_BK: Tensor, step: int) -> list[dict]:
    g, r, anchors = ranking.g_BK.tolist(), ranking.r_BK.tolist(), ranking.anchor_B.tolist()
    d, q = ranking.log_d_BK.exp().tolist(), log_q_BK.exp().tolist()
    return [
        {
            "stage": "stage2",
            "step": step,
            "id": group.example.id,
            "images": [None if isinstance(image, bytes) else str(image) for image in group.example.images],
            "question": group.example.question,
            "choices": list(group.example.choices),
            "answer": group.example.answer,
            "anchor": group.anchor,
            "anchor_score": anchors[b],
            "candidates": [
                {
                    "text": c.text,
                    "score": g[b][k],
                    "r": r[b][k],
                    "D": d[b][k],
                    "q": q[b][k],
                    "correct": c.correct,
                    "truncated": c.truncated,
                    "copies": c.copies,
                }
                for k, c in enumerate(group.candidates)
            ],
        }
        for b, group in enumerate(groups)
    ]
