"""The whole configuration as typed dataclasses. Every field is a YAML key and a flag `--section.key=value`."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

Control = Literal["none", "anchors_shuffled", "d_permuted", "d_uniform", "no_anchor", "oracle"]
SightControl = Literal["blank", "wrong_image", "question_only"]
Tracker = Literal["tensorboard", "wandb", "trackio"]
Method = Literal[
    "sft",
    "sft_sft",
    "single_pair_dpo",
    "anchor_grpo",
    "self_ppo",
    "anchorrank_dpo",
    "ldl_grpo",
    "teacher_judge_grpo",
]
PartTuning = Literal["default", "frozen", "lora", "full"]


@dataclass(kw_only=True)
class ModelConfig:
    """The student.

    Attributes:
        checkpoint: a folder in the Hugging Face layout or a hub id; its config.model_type picks the adapter.
        adapter: module:Class of an adapter that no package announces; empty looks config.model_type up.
        chat_template: a Jinja file for a checkpoint without a chat template, or in place of its own.
        min_pixels: least pixels that an image is scaled to, for families of any resolution; 0 is the checkpoint's own.
        max_pixels: most pixels, and so the tokens of an image; 0 is the checkpoint's own.
        tuning: what is trained, unless a part says otherwise: full is everything but the image tower; lora is low-rank
            additions to the language model.
        vision_tower: frozen, lora, full, or as tuning says.
        projector: what carries image features into the language model: frozen, lora, full, or as tuning says.
        language_model: frozen, lora, full, or as tuning says.
        lora_rank: rank of the additions.
        lora_alpha: their scale is lora_alpha / lora_rank.
        dtype: float32, bfloat16, or float16 with loss scaling (GPU only); log-softmax, D and KL are float32 or better
            in any case.
        activation_checkpointing: recompute the decoder's layers in the backward pass, to save memory.
    """

    checkpoint: str = "checkpoints/tiny-llava-scenes"
    adapter: str = ""
    chat_template: str = ""
    min_pixels: int = 0
    max_pixels: int = 0
    tuning: Literal["full", "lora"] = "full"
    vision_tower: PartTuning = "default"
    projector: PartTuning = "default"
    language_model: PartTuning = "default"
    lora_rank: int = 16
    lora_alpha: float = 32.0
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    activation_checkpointing: bool = False


@dataclass(kw_only=True)
class DataConfig:
    """Prompts and images.

    Attributes:
        dataset: a folder of datasets/ or the path of such a folder: its card and templates.
        root: where the files of the data set lie, or a hub id.
        images: where the images lie if not under root (the COCO folder of A-OKVQA).
        train_split: split that both stages train on.
        train_limit: use the first so many training prompts; 0 is all.
        bad_images: a training row whose image cannot be read stops everything (error), or is left out, counted and
            listed in set_aside.jsonl (skip). A row to be evaluated always stops it.
    """

    dataset: str = "aokvqa_mc"
    root: str = "data/scenes"
    images: str = ""
    train_split: str = "train"
    train_limit: int = 0
    bad_images: Literal["error", "skip"] = "error"


@dataclass(kw_only=True)
class EyesConfig:
    """Words in the place of images, for a student that reads text only (docs/text_only_students.md).

    Attributes:
        checkpoint: the open_clip model that finds the tags: a folder with open_clip_config.json and weights, or a
            weights file; empty describes nothing.
        architecture: open_clip's name for the model of a weights file, such as ViT-B-32-quickgelu.
        captioner: folder of a CoCa model whose caption stands before the tags; empty leaves captions out.
        labels: YAML of the label groups; empty is the data set's own.
        cache: the SQLite file that keeps every description; empty is descriptions.sqlite under data.root, or a file in
            anchors/ where data.root is a hub id.
        batch_size: images described at once.
    """

    checkpoint: str = ""
    architecture: str = ""
    captioner: str = ""
    labels: str = ""
    cache: str = ""
    batch_size: int = 64


@dataclass(kw_only=True)
class AnchorsConfig:
    """The teacher's answers, one per prompt, and which of them are trained on.

    Attributes:
        style: which text of the data set's own columns serves as the anchor of teacher.kind=column: the first rationale
            and the answer, or the answer alone.
        store: the SQLite file that keeps every answer; empty is anchors.sqlite under data.root, or a file in anchors/
            where data.root is a hub id.
        contradictions: what becomes of an anchor that names another choice than the row's own answer, or none:
            set_aside leaves its prompt out of training, keep trains on it.
        min_characters: shorter anchors are set aside.
        max_characters: longer anchors are set aside; 0 is no limit.
        language: ISO 639-1 code (en, de, zh, ...): anchors that are clearly in another language are set aside; empty
            does not look.
    """

    style: Literal["explained", "terse"] = "explained"
    store: str = ""
    contradictions: Literal["set_aside", "keep"] = "set_aside"
    min_characters: int = 1
    max_characters: int = 0
    language: str = ""


@dataclass(kw_only=True)
class AskedConfig:
    """A model that is asked: at an endpoint or on this machine. `section` is where its keys stand, for messages.

    Attributes:
        kind: who it is.
        model: its name at the endpoint, or the checkpoint of a local one.
        adapter: module:Class of a local model's adapter; empty looks config.model_type up.
        max_tokens: longest answer, in its own tokens.
        temperature: 0 is greedy; null leaves it out of the request, for models that refuse it.
        max_tokens_field: what the endpoint calls max_tokens; older and local servers want max_tokens.
        extra_body: further fields of every request, such as {"seed": 1}; part of the content key.
        images: send leaves the images in; leave_out sends the text alone.
        image_max_side: longer images are scaled down to so many pixels; 0 keeps their size.
        image_detail: what the endpoint is told about image resolution; auto says nothing.
        base_url: of the endpoint, up to and with /v1.
        api_key_env: the environment variable that holds the key; empty is OPENAI_API_KEY for OpenAI's own address and
            no key for any other.
        api_key_file: a file outside any repository that holds the key, instead of a variable.
        allow_plain_http: send prompts, images and key unencrypted to another machine.
        concurrency: requests in flight at once; for a local model the prompts of one batch.
        requests_per_minute: limit of the endpoint; 0 is none.
        tokens_per_minute: limit of the endpoint, kept by estimate; 0 is none.
        timeout_s: seconds that one request may take from first byte to last.
        attempts: requests for one prompt before it is given up in this collection.
        prices: JSON of USD per token by model, keys as litellm names them.
        device_map: how accelerate places a local model: auto, balanced, sequential, cpu, ...
        dtype: of a local model's weights.
    """

    section: ClassVar[str]

    kind: str
    model: str = ""
    adapter: str = ""
    max_tokens: int = 512
    temperature: float | None = 0.0
    max_tokens_field: str = "max_completion_tokens"
    # with types for its values the parser would read the string "007" as a number
    extra_body: dict = field(default_factory=dict)
    images: Literal["send", "leave_out"] = "send"
    image_max_side: int = 1024
    image_detail: Literal["auto", "low", "high"] = "auto"
    base_url: str = "https://api.openai.com/v1"
    api_key_env: str = ""
    api_key_file: str = ""
    allow_plain_http: bool = False
    concurrency: int = 16
    requests_per_minute: float = 0.0
    tokens_per_minute: float = 0.0
    timeout_s: float = 120.0
    attempts: int = 8
    prices: str = "configs/prices.json"
    device_map: str = "auto"
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"


@dataclass(kw_only=True)
class TeacherConfig(AskedConfig):
    """Who gives the anchors (docs/teachers.md).

    Attributes:
        kind: column is the data set's own answers; chat an OpenAI-compatible endpoint, also asked through batch files;
            local a checkpoint on this machine; file answers that you have already.
        file: JSONL of teacher.kind=file, a line {"id": ..., "text": ...} per prompt.
    """

    section: ClassVar[str] = "teacher"

    kind: Literal["column", "chat", "local", "file"] = "column"
    file: str = ""


@dataclass(kw_only=True)
class JudgeConfig(AskedConfig):
    """Who compares answers two by two (docs/judging.md).

    Attributes:
        kind: chat is an OpenAI-compatible endpoint; local a checkpoint on this machine; rule compares answers on drawn
            scenes by their truth and asks nobody.
        store: the SQLite file that keeps every verdict; empty is judge.sqlite under data.root, or a file in anchors/
            where data.root is a hub id.
    """

    section: ClassVar[str] = "judge"

    kind: Literal["chat", "local", "rule"] = "chat"
    store: str = ""


@dataclass(kw_only=True)
class SamplingConfig:
    """Candidates.

    Attributes:
        candidates: K, answers drawn per prompt.
        max_new_tokens: longest answer, end-of-answer token included.
        temperature: 1 keeps the KL estimate valid.
        top_p: 1 keeps the KL estimate valid.
    """

    candidates: int = 8
    max_new_tokens: int = 128
    temperature: float = 1.0
    top_p: float = 1.0


@dataclass(kw_only=True)
class RankingConfig:
    """Self-ranking with the anchor in view.

    Attributes:
        scorer: likelihood is the mean token log-prob of a candidate with the anchor shown as reference, for students
            too small to judge; verdict is log p(Yes) - log p(No) to "at least as good as the reference?"; rating is the
            expected grade beside the reference, 0 to 9.
        evaluator: which weights score: the frozen result of stage I, or the current student.
        tau: scale of r in D; 0 calibrates it once on the first batches.
        gamma: slope of the positive-unlabelled factor; 0 is 1 / tau.
        calibration_steps: batches that the calibration samples.
        probe_every: steps between probes: image_gain, by how much a student's own answers are likelier with their
            images than with blank ones, and order_bias, by how much a verdict leans to whatever is called the
            candidate; 0 leaves them out.
        control: none, or what is put in the signal's place to see whether it teaches: anchors_shuffled between prompts,
            d_permuted within the group, d_uniform, no_anchor (the student's own mean log-prob as r), oracle
            (correctness as r).
    """

    scorer: Literal["likelihood", "verdict", "rating"] = "verdict"
    evaluator: Literal["frozen", "current"] = "frozen"
    tau: float = 0.0
    gamma: float = 0.0
    calibration_steps: int = 4
    probe_every: int = 10
    control: Control = "none"


@dataclass(kw_only=True)
class Stage1Config:
    """Teacher-guided SFT on the anchors.

    Attributes:
        epochs: passes over the training prompts.
        prompts_per_step: prompts of one optimiser step, over all processes and accumulation.
        learning_rate: peak of the cosine; 0 is 1e-5 for full and 2e-4 for LoRA.
        verdict_weight: weight of a warm-up of ranking.scorer=verdict, for students too small to judge: anchors are good
            answers, the student's own may be either; 0 leaves it out.
        verdict_prior: share of good answers that the warm-up takes among the student's own.
    """

    epochs: float = 1.0
    prompts_per_step: int = 64
    learning_rate: float = 0.0
    verdict_weight: float = 0.0
    verdict_prior: float = 0.5


@dataclass(kw_only=True)
class Stage2Config:
    """Preference optimisation on the student's own candidates.

    Attributes:
        method: what is learned from, and how (docs/method.md); sft leaves stage II out.
        epochs: passes over the training prompts.
        prompts_per_step: groups of one optimiser step, over all processes and accumulation.
        learning_rate: peak of the cosine; 0 is 1e-6 for full and 5e-6 for LoRA.
        beta: weight of KL(student || p_sft) per token.
        q: the student's score of a candidate: ratio to p_sft, mean log-prob, or sum of log-probs.
        q_temperature: T_q.
        updates: optimiser steps per rollout; GRPO and PPO clip from the second on.
        clip: epsilon of GRPO and PPO.
        dpo_beta: of the DPO methods, on summed log-probs.
        discount: gamma of PPO's advantages.
        gae_lambda: lambda of PPO's advantages.
        value_weight: of PPO's squared error of the value.
        value_learning_rate: peak for PPO's value head, which starts at 0.
    """

    method: Method = "ldl_grpo"
    epochs: float = 1.0
    prompts_per_step: int = 16
    learning_rate: float = 0.0
    beta: float = 0.05
    q: Literal["ratio", "mean", "sum"] = "ratio"
    q_temperature: float = 1.0
    updates: int = 1
    clip: float = 0.2
    dpo_beta: float = 0.1
    discount: float = 1.0
    gae_lambda: float = 0.95
    value_weight: float = 0.5
    value_learning_rate: float = 1e-3


@dataclass(kw_only=True)
class EngineConfig:
    """DeepSpeed.

    Attributes:
        deepspeed: a DeepSpeed JSON; its "auto" values are filled from here.
        prompts_per_pass: prompts that go through the model at once in each process; more are accumulated.
        tokens_per_pass: tokens, padding counted, that a learning or ranking pass may have; 0 is no limit. A group that
            alone has more is learned from in pieces, exactly, for one more forward pass of that step.
        gather: ZeRO stage 3 only: whether sampling gathers the whole student once per rollout (always), runs on the
            sharded one (never), or gathers if an estimate says that it fits (auto).
        decoding: static samples in shapes that never change, captured as a CUDA graph on a GPU; shrinking leaves out
            what has ended, step by step; auto takes static on a GPU wherever the weights are whole.
        gradient_clipping: largest norm of a gradient.
        warmup: share of the steps over which the learning rate rises.
        weight_decay: of AdamW.
    """

    deepspeed: str = "configs/deepspeed/zero0.json"
    prompts_per_pass: int = 16
    tokens_per_pass: int = 0
    gather: Literal["auto", "always", "never"] = "auto"
    decoding: Literal["auto", "static", "shrinking"] = "auto"
    gradient_clipping: float = 1.0
    warmup: float = 0.1
    weight_decay: float = 0.0


@dataclass(kw_only=True)
class EvaluationConfig:
    """What is measured before, between and after the stages.

    Attributes:
        split: held-out split; empty leaves the evaluation out.
        limit: use the first so many prompts; 0 is all.
        direct: also ask without choices and score the direct answer.
        controls: what the finished student is asked again without, to see whether it looks: blank images, the
            wrong_image, or the question_only.
        clip: folder or weights file of an open_clip model that measures grounding (CLIPScore); empty leaves it out.
        clip_architecture: open_clip's name for the model of a weights file, such as ViT-B-32-quickgelu.
        prompts_per_pass: prompts decoded at once in each process.
        resamples: bootstrap resamples of each 95 % interval.
    """

    split: str = "val"
    limit: int = 0
    direct: bool = True
    controls: list[SightControl] = field(default_factory=lambda: ["blank", "wrong_image", "question_only"])
    clip: str = ""
    clip_architecture: str = ""
    prompts_per_pass: int = 64
    resamples: int = 2000


@dataclass(kw_only=True)
class RunConfig:
    """The run and its folder.

    Attributes:
        name: folder under root; empty takes the configuration's file name, then NAME-2, NAME-3, ...
        root: where runs are kept.
        resume: go on with the named run from its last whole checkpoint; auto begins it where there is none yet, for a
            job that a cluster may stop and start again with the same command.
        seed: of every draw.
        save_every: optimiser steps between checkpoints; 0 saves at the end of a stage only.
        keep_checkpoints: how many of them stay; a damaged one is passed over for the one before it.
        trackers: where else figures go: tensorboard into the run's folder; wandb and trackio where they are installed,
            which send them wherever you have set them up to.
    """

    name: str = ""
    root: str = "runs"
    resume: bool | Literal["auto"] = False
    seed: int = 0
    save_every: int = 50
    keep_checkpoints: int = 2
    trackers: list[Tracker] = field(default_factory=lambda: ["tensorboard"])


@dataclass(kw_only=True)
class Config:
    """Everything that one run depends on."""

    run: RunConfig = field(default_factory=RunConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    eyes: EyesConfig = field(default_factory=EyesConfig)
    anchors: AnchorsConfig = field(default_factory=AnchorsConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    ranking: RankingConfig = field(default_factory=RankingConfig)
    stage1: Stage1Config = field(default_factory=Stage1Config)
    stage2: Stage2Config = field(default_factory=Stage2Config)
    engine: EngineConfig = field(default_factory=EngineConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)


RATES = {"stage1": {"full": 1e-5, "lora": 2e-4}, "stage2": {"full": 1e-6, "lora": 5e-6}}


def used_stages(config: Config) -> tuple[str, ...]:
    """The sections of the stages that train."""
    return ("stage1",) if config.stage2.method == "sft" else ("stage1", "stage2")


def learning_rate(config: Config, stage: str) -> float:
    """The peak learning rate of `stage1` or `stage2`, the default of its kind of tuning where none is given."""
    return getattr(config, stage).learning_rate or RATES[stage][config.model.tuning]
