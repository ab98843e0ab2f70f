"""Chat messages to token ids, so that only the chat template makes control tokens.

Everything inside a message is somebody's words. A literal `<image>` or end-of-turn token there is encoded as plain
text, while the same string written by the template becomes its token.
"""

import copy
import secrets

from tokenizers import AddedToken

Messages = list[dict]
QUESTION_TEXT = "question"
QUESTION = {"role": "user", "content": [{"type": "text", "text": QUESTION_TEXT}]}


class ChatFormat:
    """The chat template of one checkpoint together with a tokenizer that tells template from content.

    A private copy of the tokenizer knows an unguessable alias for every special token. A rendering is encoded with the
    template's own special tokens written as aliases and with all other special tokens split into text; afterwards the
    alias ids are mapped back. Added tokens cut a text before anything else does, so the ids equal the stock
    tokenizer's wherever no message spells a special token.
    """

    def __init__(self, processor, placeholders: tuple[str, ...]):
        """Args:
        processor: a processor with a tokenizer, or a tokenizer; it must have a chat template.
        placeholders: the strings that template and processor write where an image stands.
        """
        self.processor = processor
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self._reads_only = processor is self.tokenizer
        self._guard = copy.deepcopy(self.tokenizer)
        added = {token.content: token_id for token_id, token in self.tokenizer.added_tokens_decoder.items()}
        specials = {token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        self.specials = {text: added[text] for text in sorted(specials | set(placeholders), key=len, reverse=True)}
        nonce = secrets.token_hex(8)
        self._alias = {text: f"\ue000{nonce}:{i}\ue001" for i, text in enumerate(self.specials)}
        self._mask = {text: f"\ue002{nonce}:{i}\ue003" for i, text in enumerate(self.specials)}
        flags = {token.content: token for token in self.tokenizer.added_tokens_decoder.values()}
        self._guard.add_special_tokens(
            {"additional_special_tokens": [AddedToken(text, special=True) for text in placeholders]},
            replace_extra_special_tokens=False,
        )
        self._guard.add_tokens(
            [
                AddedToken(alias, special=False, normalized=False, lstrip=flags[t].lstrip, rstrip=flags[t].rstrip)
                for t, alias in self._alias.items()
            ]
        )
        self._real_id = {self._guard.convert_tokens_to_ids(a): self.specials[t] for t, a in self._alias.items()}
        self._mark = next(iter(self._alias.values()))
        self._tail, self._lead = self._mark + self._end_of_a_prompt(), self._text_before_an_answer()
        self._begun = self._ids(self._tail, add_special=False)

    def render(self, messages: Messages) -> str:
        """The full prompt as text, ready for an answer. Content that spells special tokens is masked (see `encode`)."""
        return self.processor.apply_chat_template(
            [self._masked(m) for m in messages], add_generation_prompt=True, tokenize=False
        )

    def encode(self, messages: Messages) -> list[int]:
        """Token ids of the rendered prompt, one placeholder id for each image."""
        rendered = self.render(messages)
        bos = self.tokenizer.bos_token
        # a template that writes the beginning-of-text token itself must not get a second one
        add_special = not (bos and rendered.startswith(bos))
        return self._ids(self._aliased(rendered), add_special)

    def encode_answer(self, text: str) -> list[int]:
        """Token ids of an answer as the assistant's turn writes it, without the end-of-answer token."""
        whole = self._ids(self._tail + self._lead + text, add_special=False)
        if whole[: len(self._begun)] == self._begun:
            return whole[len(self._begun) :]
        # the answer's first characters would merge with the prompt's last, which are tokens already
        return self._ids(self._mark + self._lead + text, add_special=False)[1:]

    def decode(self, ids) -> str:
        """The text of answer tokens, special tokens left out, without surrounding blanks."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()

    def _ids(self, text: str, add_special: bool) -> list[int]:
        encoded = self._guard(text, add_special_tokens=add_special, split_special_tokens=True)["input_ids"]
        return [self._real_id.get(i, i) for i in encoded]

    def _masked(self, message: dict) -> dict:
        def part(p):
            return {"type": "image"} if p["type"] == "image" else {**p, "text": self._swap(p["text"], self._mask)}

        return self._as_template_wants({**message, "content": [part(p) for p in message["content"]]})

    def _as_template_wants(self, message: dict) -> dict:
        """Templates of text-only models take the words of a message as one string."""
        if not self._reads_only:
            return message
        return {**message, "content": "\n".join(part["text"] for part in message["content"])}

    def _aliased(self, rendered: str) -> str:
        aliased = self._swap(rendered, self._alias)
        return self._swap(aliased, {mask: text for text, mask in self._mask.items()})

    @staticmethod
    def _swap(text: str, table: dict[str, str]) -> str:
        for old, new in table.items():
            text = text.replace(old, new)
        return text

    def _end_of_a_prompt(self) -> str:
        """What a template writes before an answer, from the last special token on.

        An answer is encoded behind it: some sentencepiece tokenizers put a blank in front of whatever begins a piece of
        text, and an answer does not begin one.
        """
        end = self.render([QUESTION]).rpartition(QUESTION_TEXT)[2]
        for special in self.specials:
            end = end.rpartition(special)[2]
        return end

    def _text_before_an_answer(self) -> str:
        probe = {"role": "assistant", "content": [{"type": "text", "text": "PROBE"}]}
        prompt = self.render([QUESTION])
        whole = self.processor.apply_chat_template([self._masked(m) for m in (QUESTION, probe)], tokenize=False)
        between = whole[len(prompt) :].split("PROBE")[0] if whole.startswith(prompt) else ""
        return between if between.isspace() else ""
