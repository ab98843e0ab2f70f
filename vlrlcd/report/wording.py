"""Names and units as the page shows them."""

ABSENT = "\N{EN DASH}"
STAGES = {"pretrained": "Pretrained", "stage1": "After stage 1", "stage2": "After stage 2"}
STAGE_HEADINGS = {"stage1": "Stage 1: imitating the anchors", "stage2": "Stage 2: learning from the ranking"}
PHASES = {"stage1": "Stage 1", "stage2": "Stage 2", "sample": "Sampling", "rank": "Ranking", "train": "Training"}
METRICS = {
    "accuracy": "Accuracy",
    "gain_from_sight": "Gain from sight",
    "direct_answer": "Direct answer",
    "truthful_rationales": "Truthful rationales",
    "claims_per_rationale": "Claims per rationale",
    "truncated": "Cut off",
}
COUNTED = {"claims_per_rationale"}
DIFFERENCES = {"gain_from_sight"}
"""In points, above zero or below."""
SUBJECT = {
    "Method": "stage2.method",
    "Student": "model.checkpoint",
    "Eyes": "eyes.checkpoint",
    "Tuning": "model.tuning",
    "Data": "data.dataset",
    "Files": "data.root",
    "Scorer": "ranking.scorer",
    "Control": "ranking.control",
    "Candidates per prompt": "sampling.candidates",
}
ORIGIN = {
    "Started": "provenance.started",
    "Hardware": "provenance.machine",
    "Commit": "provenance.commit",
}
CURVES = {
    "loss": ("Loss", "What the optimiser lowers."),
    "candidate_accuracy": ("Right candidates", "Share of the student's own answers that are right."),
    "auc": ("Does the ranking know?", "AUC: how often a right candidate is ranked above a wrong one; 0.5 is guessing."),
    "ldl": ("Ranking loss", "How far the student's weights q are from the ranking's weights D."),
    "kl": ("Drift", "KL per token between the student and itself after stage 1."),
    "effective_k_d": ("Effective candidates, D", "Over how many candidates the ranking spreads its weight."),
    "effective_k_q": ("Effective candidates, q", "Over how many candidates the student spreads its weight."),
    "mean_length": ("Answer length", "Mean tokens of a sampled answer."),
    "tied_share": ("Tied groups", "Share of groups in which all candidates score the same: nothing to rank."),
    "truncated_share": ("Cut-off answers", "Share of candidates that reached the token limit."),
    "tokens_per_s": ("Throughput", "Tokens per second."),
    "seconds": ("Seconds per step", "Where the time of a step goes."),
    "grad_norm": ("Gradient norm", "Before clipping."),
    "lr": ("Learning rate", "As scheduled."),
}


def plain(name: str) -> str:
    """A key as words, for what no table names."""
    return name.replace("_", " ").strip().capitalize()


def duration(seconds: float) -> str:
    """Seconds as a person says them: `8.4 s`, `3 min 12 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def short(value: float) -> str:
    """A number in at most three or four digits: `0.031`, `12.5`, `3,400`, `3.0e-06`."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.1e}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def millions(count: float) -> str:
    """A parameter count: `640`, `66.2 K`, `8.1 M`, `7.06 B`."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f}"
