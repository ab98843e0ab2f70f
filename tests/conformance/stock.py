"""The slow, plain reference: the stock model and the stock processor, one unpadded row at a time, no adapter code."""

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor

from tests.conformance.cases import Case
from vlrlcd.prefix_branches import Tokens


class Stock:
    def __init__(self, checkpoint):
        self.processor = AutoProcessor.from_pretrained(checkpoint)
        self.tokenizer = getattr(self.processor, "tokenizer", self.processor)
        self.model = self.load(checkpoint)

    def load(self, checkpoint):
        """The stock model of a checkpoint of the same kind."""
        kind = AutoModelForCausalLM if self.tokenizer is self.processor else AutoModelForImageTextToText
        return kind.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager")

    def encoded(self, rendered: str, images) -> dict[str, Tensor]:
        """The stock processor's tensors of a text; one that begins with <s> does not get another."""
        if self.tokenizer is not self.processor:
            return dict(self.processor(text=[rendered], images=images or None, return_tensors="pt"))
        own = not rendered.startswith(self.tokenizer.bos_token)
        return dict(self.tokenizer([rendered], add_special_tokens=own, return_tensors="pt"))

    def rendered(self, messages: list[dict], **how) -> str:
        """The chat template's own text; templates that read only take the words of a message as one string."""
        if self.tokenizer is self.processor:
            messages = [{**m, "content": "\n".join(part["text"] for part in m["content"])} for m in messages]
        return self.processor.apply_chat_template(messages, tokenize=False, **how)

    def inputs(self, case: Case) -> dict[str, Tensor]:
        """The stock processor's tensors of a row's prompt."""
        return self.encoded(self.rendered(case.messages, add_generation_prompt=True), case.images)

    def logprobs(self, inputs: dict[str, Tensor], answer: Tokens, banned: Tokens) -> Tensor:
        """`[len(answer) + 1, V]`: distributions of the answer's tokens and of the one after them, `banned` at 0."""
        prompt_1P = inputs["input_ids"]
        extended = {
            # what stands beside each token: a mask goes on with 1, a token type with 0 for text
            name: torch.cat([value, value.new_full((1, len(answer)), name == "attention_mask")], dim=1)
            for name, value in inputs.items()
            if value.shape == prompt_1P.shape
        }
        extended["input_ids"] = torch.cat([prompt_1P, torch.tensor([answer], dtype=torch.long)], dim=1)
        logits_LV = self.model(**{**inputs, **extended}).logits[0, prompt_1P.shape[1] - 1 :].float()
        logits_LV[:, list(banned)] = -torch.inf
        return logits_LV.log_softmax(-1)

    def branch_logps(self, case: Case, banned: Tokens) -> list[Tensor]:
        """Token log-probs of each branch, each from a sequence of its own."""
        inputs = self.inputs(case)
        return [self.logprobs(inputs, y, banned)[:-1].gather(-1, torch.tensor(y)[:, None])[:, 0] for y in case.branches]

    @torch.no_grad()
    def sample(self, case, uniforms: np.ndarray, temperature: float, top_p: float, stop: Tokens, banned: Tokens):
        """One answer by inverting the cumulative distribution in numpy, the whole sequence computed at every token."""
        inputs, answer = self.inputs(case), ()
        for u in uniforms:
            logprobs = self.logprobs(inputs, answer, banned)[-1].double().numpy()
            answer += (_inverse_cdf(logprobs, u, temperature, top_p),)
            if answer[-1] in stop:
                break
        return answer


def close(mine: Tensor, reference: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(mine, reference, rtol=0, atol=tolerance)


def _inverse_cdf(logprobs: np.ndarray, u: float, temperature: float, top_p: float) -> int:
    if temperature == 0:
        return int(logprobs.argmax())
    probs = np.exp(logprobs / temperature)
    probs /= probs.sum()
    nucleus, mass = [], 0.0
    for token in np.argsort(-probs, kind="stable"):
        nucleus.append(token)
        mass += probs[token]
        if mass >= top_p:
            break
    point = u * probs[nucleus].sum()
    for token in sorted(nucleus):
        point -= probs[token]
        if point < 0:
            return int(token)
    raise AssertionError("the uniform was not below 1")
