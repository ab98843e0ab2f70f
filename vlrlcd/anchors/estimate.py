"""What asking would take, before anyone is asked."""

from collections.abc import Sequence

from vlrlcd.anchors.asks import CHARACTERS_PER_TOKEN, Ask
from vlrlcd.anchors.ledger import ANSWERED, Account
from vlrlcd.anchors.prices import Prices
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import Teacher
from vlrlcd.config import AskedConfig

WAYS = (("one by one", False), ("as a batch", True))


def estimate(
    todo: Sequence[Ask],
    teacher: Teacher,
    store: AnchorStore,
    settings: AskedConfig,
    prices: Prices | None,
    batches: bool = True,
) -> list[str]:
    """Lines for people: how many calls, and what they would cost as far as it can be known.

    A teacher that has answered before is taken at its own figures. Otherwise text is counted at four characters a token
    and answers at their longest; what an image takes differs between models and is not guessed.

    Args:
        todo: what would be asked.
        teacher: whom.
        store: holds what it took so far.
        settings: how long an answer may be.
        prices: None where nothing costs.
        batches: whether it may also be asked by batch files.
    """
    lines = [f"{len(todo):,} calls to {teacher.name}, at least: retries come on top"]
    if not todo or not prices:
        return lines
    answered = Account()
    for (_, outcome), account in store.ledger(teacher.name).accounts.items():
        answered += account if outcome == ANSWERED else Account()
    if answered.prompt_tokens:
        prompt, completion = (n / answered.calls for n in (answered.prompt_tokens, answered.completion_tokens))
        basis = f"after {answered.calls:,} answers of {prompt:,.0f} and {completion:,.0f} tokens on average, "
        basis += "whatever their settings"
    else:
        images = sum(ask.images for ask in todo)
        characters = sum(ask.characters for ask in todo)
        prompt, completion = characters / CHARACTERS_PER_TOKEN / len(todo), settings.max_tokens
        basis = f"{prompt:,.0f} text tokens and {completion:,} answer tokens at most a call"
        if images:
            basis += f", without what {images:,} images take: ask a few with --max-calls=20, then look again"
    usage = {"prompt_tokens": round(prompt * len(todo)), "completion_tokens": round(completion * len(todo))}
    return [*lines, *_priced(teacher.name, usage, prices, basis, WAYS if batches else WAYS[:1])]


def _priced(
    model: str, usage: dict[str, int], prices: Prices, basis: str, ways: Sequence[tuple[str, bool]]
) -> list[str]:
    costs = {name: prices.cost(model, usage, batch) for name, batch in ways}
    if costs["one by one"] is None:
        return [f"no estimate of the cost: {prices.path} has no price of {model}"]
    said = ", ".join(f"{cost:,.2f} USD {name}" for name, cost in costs.items() if cost is not None)
    return [f"about {said} ({basis})"]
