"""From training prompts to the anchors that are trained on, without asking anyone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.asks import asks
from vlrlcd.anchors.collect import collect, load_anchors
from vlrlcd.anchors.ledger import ANSWERED, Ledger
from vlrlcd.anchors.quality import SetAside, check_quality
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import teacher_for
from vlrlcd.config import Config
from vlrlcd.data.card import Card
from vlrlcd.data.example import Example
from vlrlcd.data.prompts import Templates
from vlrlcd.data.splits import beside_data
from vlrlcd.errors import UserError


@dataclass(frozen=True)
class ReadyAnchors:
    """The anchors of a run.

    Attributes:
        teacher: who gave them.
        texts: by prompt id, of the prompts that are trained on.
        set_aside: prompts that are not, and why.
        reasons: how many were set aside for which reason.
        spent: what the teacher took for all of them, as it reported it with each answer.
        collected: what all collections into the store took, calls without an answer too; empty for own files.
        unreadable: prompts that nobody was asked, because their images cannot be read.
    """

    teacher: str
    texts: dict[str, str]
    set_aside: list[SetAside]
    reasons: dict[str, int]
    spent: dict[str, Any]
    collected: dict[str, Any]
    unreadable: list[SetAside] = field(default_factory=list)

    def facts(self, candidates: int) -> dict[str, Any]:
        """All but the texts as plain values, with what a teacher that judges every candidate would have been asked."""
        prompts = len(self.texts) + len(self.set_aside)
        return {
            "name": self.teacher,
            "anchors": prompts,
            "trained_on": len(self.texts),
            "set_aside": self.reasons | Counter(row.reason for row in self.unreadable),
            "calls_if_it_judged": prompts * candidates,
            "spent": self.spent,
            "collected": self.collected,
        }


def anchor_store(config: Config) -> Path:
    """Where the anchors are kept."""
    return Path(config.anchors.store or beside_data(config, "anchors.sqlite"))


def ready_anchors(
    config: Config, card: Card, templates: Templates, train: Sequence[Example], command: str
) -> ReadyAnchors:
    """The stored anchors of the training prompts, looked over. No network is touched.

    What the user's own files hold costs nothing and leaves nowhere, so it is read here and now.

    Args:
        config: names the teacher, the store and what is looked for.
        card: of the data set.
        templates: of the data set.
        train: the training prompts.
        command: what collects the anchors of this configuration, for the error.

    Raises:
        UserError: an anchor is missing, naming the command that collects it; or none can be trained on.
    """
    teacher = teacher_for(config, card)
    wanted = asks(train, templates, teacher)
    with AnchorStore(anchor_store(config)) as store:
        if teacher.from_files:
            collect(wanted, teacher, store, config.teacher)
        anchors = load_anchors(wanted, teacher, store, command)
        collected = Ledger() if teacher.from_files else store.ledger(teacher.name)
    checked = check_quality(wanted, anchors, config.anchors, card.check)
    if not checked.kept:
        raise UserError(none_kept(teacher.name, len(wanted), checked.reasons))
    used = {} if teacher.from_files else {ask.key: anchors[ask.example.id] for ask in wanted}
    return ReadyAnchors(
        teacher=teacher.name,
        texts={ask.example.id: anchors[ask.example.id].text for ask in wanted if ask.example.id in checked.kept},
        set_aside=checked.set_aside,
        reasons=checked.reasons,
        spent=_spent(used),
        collected=collected.facts() if collected else {},
    )


def _spent(anchors: Mapping[str, Anchor]) -> dict[str, Any]:
    ledger = Ledger()
    for anchor in anchors.values():
        ledger.count(anchor.model, ANSWERED, anchor.usage, anchor.cost_usd)
    return ledger.facts() if ledger else {}


def none_kept(teacher: str, anchors: int, reasons: Mapping[str, int]) -> str:
    """A sentence for a teacher of whose anchors none can be trained on."""
    said = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    return (
        f"none of {anchors} anchors from {teacher} can be trained on ({said}): look at "
        "the teacher's answers, or at the anchors.* settings that set them aside."
    )
