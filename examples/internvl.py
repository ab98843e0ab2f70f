"""The worked example of docs/adding_a_backbone.md: InternVL, an adapter outside `model_adapters`.

deepspeed scripts/train.py --config my.yaml --model.adapter=examples.internvl:InternVLAdapter
"""

from pathlib import Path

from torch import Tensor
from transformers import (
    GotOcr2ImageProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
)

from model_adapters import VisionAdapter
from model_adapters.base import Tokens


class InternVLAdapter(VisionAdapter):
    model_types = ("internvl",)
    processor_needs = ("image_seq_length", "start_image_token_id", "end_image_token_id")

    def image_token_counts(self, sizes_hw: list[tuple[int, int]]) -> list[int]:
        # transformers counts the two tokens around an image too
        return [count - 2 for count in super().image_token_counts(sizes_hw)]

    def image_ids(self, sizes_hw: list[tuple[int, int]]) -> list[Tokens]:
        # the processor, not the template, writes what stands around an image
        begin, end = self.processor.start_image_token_id, self.processor.end_image_token_id
        return [(begin, *places, end) for places in super().image_ids(sizes_hw)]

    def image_features(self, images: dict[str, Tensor]) -> list[Tensor]:
        return [self.model.model.get_image_features(images["pixel_values"]).pooler_output.flatten(0, 1)]


TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<IMG_CONTEXT>\n' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
IMAGE_MARKS = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
PIXELS, PATCH = 28, 7


def tiny_checkpoint(folder: Path) -> Path:
    """Random weights, in the layout of OpenGVLab/InternVL3-1B-hf: tiles of 4 tokens, up to 3 of them and the whole."""
    # the adapter itself needs nothing of the tests
    from tests.tiny.parts import byte_level_tokenizer, save, text_sizes

    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *IMAGE_MARKS.values()]
    words = byte_level_tokenizer(marks, end="<|im_end|>", begins=False, **IMAGE_MARKS)
    size = {"height": PIXELS, "width": PIXELS}
    processor = InternVLProcessor(
        GotOcr2ImageProcessor(size=size, min_patches=1, max_patches=3),
        words,
        InternVLVideoProcessor(size=size),
        image_seq_length=4,
        chat_template=TEMPLATE,
    )
    vision = {"image_size": PIXELS, "patch_size": PATCH, "hidden_size": 16, "intermediate_size": 32}
    config = InternVLConfig(
        vision_config={**vision, "num_hidden_layers": 2, "num_attention_heads": 2},
        text_config={"model_type": "qwen2", **text_sizes(words)},
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    return save(InternVLForConditionalGeneration(config), processor, folder, seed=0)
