"""What a configuration must hold besides its types, told before anything else is read."""

from collections.abc import Iterator

from vlrlcd.config import Config
from vlrlcd.errors import UserError
from vlrlcd.private import refuse_secrets


def faults(config: Config) -> Iterator[str]:
    """A sentence for each value that cannot be and each combination that makes no sense, naming the key."""
    positive = {
        "sampling.max_new_tokens": config.sampling.max_new_tokens,
        "stage1.prompts_per_step": config.stage1.prompts_per_step,
        "stage2.prompts_per_step": config.stage2.prompts_per_step,
        "stage2.q_temperature": config.stage2.q_temperature,
        "stage2.updates": config.stage2.updates,
        "stage2.clip": config.stage2.clip,
        "stage2.dpo_beta": config.stage2.dpo_beta,
        "stage2.value_learning_rate": config.stage2.value_learning_rate,
        "engine.prompts_per_pass": config.engine.prompts_per_pass,
        "engine.gradient_clipping": config.engine.gradient_clipping,
        "evaluation.prompts_per_pass": config.evaluation.prompts_per_pass,
        "model.lora_rank": config.model.lora_rank,
        "ranking.calibration_steps": config.ranking.calibration_steps,
        "evaluation.resamples": config.evaluation.resamples,
        "model.lora_alpha": config.model.lora_alpha,
        "eyes.batch_size": config.eyes.batch_size,
        "run.keep_checkpoints": config.run.keep_checkpoints,
        **_values(config, "max_tokens", "concurrency", "timeout_s", "attempts"),
    }
    not_negative = {
        "stage1.epochs": config.stage1.epochs,
        "stage2.epochs": config.stage2.epochs,
        "stage2.beta": config.stage2.beta,
        "stage1.verdict_weight": config.stage1.verdict_weight,
        "stage2.discount": config.stage2.discount,
        "stage2.gae_lambda": config.stage2.gae_lambda,
        "stage2.value_weight": config.stage2.value_weight,
        "ranking.tau": config.ranking.tau,
        "ranking.gamma": config.ranking.gamma,
        "model.min_pixels": config.model.min_pixels,
        "model.max_pixels": config.model.max_pixels,
        "data.train_limit": config.data.train_limit,
        "evaluation.limit": config.evaluation.limit,
        "engine.tokens_per_pass": config.engine.tokens_per_pass,
        "run.save_every": config.run.save_every,
        "ranking.probe_every": config.ranking.probe_every,
        "stage1.learning_rate": config.stage1.learning_rate,
        "stage2.learning_rate": config.stage2.learning_rate,
        "engine.weight_decay": config.engine.weight_decay,
        "anchors.min_characters": config.anchors.min_characters,
        "anchors.max_characters": config.anchors.max_characters,
        **_values(config, "temperature", "image_max_side", "requests_per_minute", "tokens_per_minute"),
    }
    for key, value in positive.items():
        if value <= 0:
            yield f"{key}={value} must be above 0."
    for key, value in not_negative.items():
        if value < 0:
            yield f"{key}={value} must not be negative."
    if config.sampling.temperature <= 0:
        yield f"sampling.temperature={config.sampling.temperature}: candidates need a temperature above 0."
    if not 0 < config.sampling.top_p <= 1:
        yield f"sampling.top_p={config.sampling.top_p} must lie in (0, 1]."
    if not 0 < config.stage1.verdict_prior < 1:
        yield f"stage1.verdict_prior={config.stage1.verdict_prior} must lie in (0, 1)."
    if config.stage1.verdict_weight and config.ranking.scorer != "verdict":
        yield (
            f"stage1.verdict_weight={config.stage1.verdict_weight} warms up a verdict, and ranking.scorer="
            f"{config.ranking.scorer} asks for none; leave it out or set ranking.scorer=verdict."
        )
    if not 0 <= config.engine.warmup < 1:
        yield f"engine.warmup={config.engine.warmup} must lie in [0, 1)."
    if config.ranking.gamma and not config.ranking.tau:
        yield "ranking.gamma is given but ranking.tau is not: the calibration of tau takes gamma as 1 / tau."
    for key in ("architecture", "captioner", "labels", "cache"):
        if getattr(config.eyes, key) and not config.eyes.checkpoint:
            yield f"eyes.{key} is given but eyes.checkpoint is not: name the open_clip model of the tags."
    if config.evaluation.clip_architecture and not config.evaluation.clip:
        yield "evaluation.clip_architecture is given but evaluation.clip is not: name the weights file."
    for asked in (config.teacher, config.judge):
        try:
            refuse_secrets(asked.section, asked.base_url, asked.api_key_env, asked.extra_body)
        except UserError as fault:
            yield str(fault)
    if config.run.resume and not config.run.name:
        yield "run.resume needs run.name, the run to go on with."


def _values(config: Config, *keys: str) -> dict[str, float]:
    """Keys of whoever is asked, by section and key; a temperature that is left out is 0."""
    asked = (config.teacher, config.judge)
    return {f"{settings.section}.{key}": getattr(settings, key) or 0 for settings in asked for key in keys}
