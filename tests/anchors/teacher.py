"""What tests of the collector need: examples, templates, and a teacher that does what it is told."""

import asyncio
from collections import Counter

from vlrlcd.anchors.asks import asks
from vlrlcd.anchors.budget import Limits
from vlrlcd.anchors.collect import collect
from vlrlcd.anchors.collector import Collection
from vlrlcd.anchors.teachers import TeacherFault, TeacherReply
from vlrlcd.config import TeacherConfig
from vlrlcd.data.example import Example

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}
QUICK = {"concurrency": 4, "attempts": 4}


class Templates:
    def render(self, kind, example):
        images = [{"type": "image", "image": image} for image in example.images]
        return [{"role": "user", "content": [*images, {"type": "text", "text": f"{kind}: {example.question}"}]}]


class Scripted:
    """Answers after a moment; `faults` are raised instead, one per call of a question, as long as there are any."""

    from_files, has_price, name = False, True, "scripted"

    def __init__(self, faults=None, width=4, reply=None):
        self.faults, self.width = {q: list(raised) for q, raised in (faults or {}).items()}, width
        self.reply = reply or (lambda example: TeacherReply(f"about {example.question}", usage=USAGE))
        self.asked, self.in_flight, self.most_in_flight, self.closed = Counter(), 0, 0, 0

    def shown(self, messages):
        return messages

    def sampling(self, example):
        return {"temperature": 0.0}

    def check(self):
        pass

    async def answer(self, example, messages):
        self.asked[example.question] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0.001)
        finally:
            self.in_flight -= 1
        if waiting := self.faults.get(example.question):
            raise waiting.pop(0)
        return self.reply(example)

    async def close(self):
        self.closed += 1


def passing(outcome="HTTP 503", **more):
    return TeacherFault(outcome, "the server is busy", "again", **{"after_s": 0.0, **more})


def example(id, question="What is it?", images=(b"pixels",), **more):
    known = {"answer": "cab", "choices": ("cab", "bus"), "rationales": ("He waits at the kerb.", "Bags.")}
    return Example(id=id, place=f"train.json, {id}", images=images, question=question, **{**known, **more})


def examples(count):
    return [example(f"id{number}", f"question {number}") for number in range(count)]


def asked(given, teacher):
    return asks(given, Templates(), teacher)


def collected(given, teacher, store, limits=None, **settings) -> Collection:
    return collect(asked(given, teacher), teacher, store, TeacherConfig(**{**QUICK, **settings}), limits or Limits())
