"""Names and units as the page shows them."""

ABSENT = "\N{EN DASH}"
STAGES = {
    "pretrained": "Pretrained",
    "stage1": "After stage 1",
    "stage2": "After stage 2",
    "student": "Evaluated alone",
    "other": "Another student",
}
STAGE_HEADINGS = {"stage1": "Stage 1: imitating the anchors", "stage2": "Stage 2: learning from the ranking"}
PHASES = {
    "start": "Starting",
    "load": "Loading",
    "stage1": "Stage 1",
    "stage2": "Stage 2",
    "look": "Image features",
    "sample": "Sampling",
    "rank": "Ranking",
    "probe": "Probing",
    "warm up": "Warm-up",
    "calibrate": "Calibration",
    "train": "Training",
    "optimise": "Optimiser",
    "evaluate": "Evaluation",
    "save": "Saving",
}
SHARE, DIFFERENCE, SCORE, FRACTION, COUNT, UNKNOWN = "share", "difference", "score", "fraction", "count", "unknown"
CHANGE = "change"
"""A share is shown in percent, a difference of shares in points with its sign, a score is 0 to 100 as it stands, a
fraction 0 to 1 as it stands and a change of one with its sign, a count and what no table names have no end to their
scale."""
METRICS = {
    "Right answers": {
        "accuracy": ("Accuracy", SHARE),
        "gain_from_sight": ("Gain from sight", DIFFERENCE),
        "string_match": ("Accuracy by the string rule alone", SHARE),
        "majority": ("Always the most frequent answer", SHARE),
        "unreadable": ("Answers that name nothing", SHARE),
    },
    "Direct answers": {
        "direct_answer": ("Direct answer", SHARE),
        "direct_answer_normalised": ("Direct answer, normalised", SHARE),
    },
    "Explanations": {
        "truthful_rationales": ("Truthful explanations", SHARE),
        "hallucinating_rationales": ("Explanations with a false claim", SHARE),
        "false_claims": ("False claims, of all claims", SHARE),
        "claims_per_rationale": ("Claims per explanation", COUNT),
        "rouge_l": ("ROUGE-L", FRACTION),
        "bleu": ("BLEU", SCORE),
        "chrf": ("chrF", SCORE),
        "ref_clip_score": ("RefCLIPScore", FRACTION),
        "clip_score": ("CLIPScore", FRACTION),
        "clip_truncated": ("Cut off for CLIP", SHARE),
    },
    "Judged in pairs": {
        "win_rate": ("Win rate", SHARE),
        "win_rate_length_controlled": ("Win rate, length controlled", SHARE),
        "win_rate_length_matched": ("Win rate, length matched", SHARE),
        "win_rate_truncated": ("Win rate, cut to one length", SHARE),
        "win_rate_difference": ("Win rate, difference", DIFFERENCE),
        "win_rate_length_controlled_difference": ("Win rate, length controlled, difference", DIFFERENCE),
        "win_rate_truncated_difference": ("Win rate, cut to one length, difference", DIFFERENCE),
        "judge_consistency": ("Judge agrees when the order is swapped", SHARE),
        "judge_first_position": ("Judge picks the first position", SHARE),
        "judge_equal_answers": ("Equal answers, not asked about", SHARE),
        "judge_ties": ("Ties", SHARE),
        "judge_unparsable": ("Verdicts that cannot be read", SHARE),
    },
    "Form of the answers": {
        "truncated": ("Cut off at the token limit", SHARE),
        "tokens": ("Length in tokens", COUNT),
        "characters": ("Length in characters", COUNT),
    },
}
OTHER_METRICS = "Other figures"
CONTROLS = {
    "_blank": "images blanked",
    "_wrong_image": "image of another question",
    "_question_only": "question alone",
}
"""Endings of a metric's name: the same questions with the sight taken away."""
GAIN = "gain_from_sight"
GAINED = {"accuracy": (DIFFERENCE, "points of accuracy"), "rouge_l": (CHANGE, "of ROUGE-L")}
"""In what sight may gain, the first that was measured: the unit of the gain, and what stands behind its figure."""
SIGHTS = {"": "Own image", "_blank": "Blanked", "_wrong_image": "Other image", "_question_only": "No image"}
"""What the gain from sight stands on, by the ending of the metric, in as few words as a card has room for."""
HEADLINES = (
    "accuracy",
    GAIN,
    "win_rate_length_controlled",
    "truthful_rationales",
    "direct_answer",
    "rouge_l",
    "ref_clip_score",
    "win_rate",
)
SENTENCE = ("model.checkpoint", "stage2.method", "data.dataset")
"""Where the configuration says the student, the method and the data."""
SUBJECT = {
    "Eyes": "eyes.checkpoint",
    "Tuning": "model.tuning",
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
    "preference_loss": ("Loss of the method", "Without the pull back to stage 1; of ldl_grpo, how far q is from D."),
    "kl": ("Drift", "KL per token between the student and itself after stage 1."),
    "effective_k_d": ("Effective candidates, D", "Over how many candidates the ranking spreads its weight."),
    "effective_k_q": ("Effective candidates, q", "Over how many candidates the student spreads its weight."),
    "mean_length": ("Answer length", "Mean tokens of a sampled answer."),
    "image_gain": ("Does it look?", "By how much its own answers are likelier with their images, nats per token."),
    "order_bias": ("Order bias", "By how much a verdict leans to whatever is called the candidate, nats."),
    "tied_share": ("Tied groups", "Share of groups in which all candidates score the same: nothing to rank."),
    "truncated_share": ("Cut-off answers", "Share of candidates that reached the token limit."),
    "distinct_share": ("Distinct candidates", "Share of the drawn answers that differ from each other."),
    "dense_share": (
        "Groups under a mask",
        "Share of groups whose attention, as they were learned from, went under one dense mask, not branch by branch.",
    ),
    "split_share": ("Groups in pieces", "Share of groups with more tokens than engine.tokens_per_pass."),
    "auc_pooled": ("AUC over all groups", "As above, with the candidates of all groups in one pool."),
    "spearman": ("Rank correlation", "Spearman, of a candidate's margin with its being right."),
    "tokens_per_s": ("Throughput", "Tokens per second."),
    "seconds": ("Seconds per step", "Where the time of a step goes."),
    "verdict_risk": ("Warm-up of the verdict", "Positive-unlabelled risk: anchors are good, own answers may be."),
    "grad_norm": ("Gradient norm", "Before clipping."),
    "lr": ("Learning rate", "As scheduled."),
    "logp_gap": ("Sampling against training", "Largest gap between the log-probs of sampling and of training."),
}


def plain(name: str) -> str:
    """A key as words, for what no table names."""
    return name.replace("_", " ").strip().capitalize()


def signed(value: float, digits: int) -> str:
    """`+1.9`, `−0.02` with a minus that is as wide as the plus."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def percent(share: float) -> str:
    """`12.4 %`."""
    return f"{100 * share:.1f} %"


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
