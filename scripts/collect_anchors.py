"""Asks the teacher for the anchors that the store lacks, once per training prompt.

    python scripts/collect_anchors.py --config configs/FILE.yaml

Training does this by itself for the anchors that a data set brings along.
"""

from vlrlcd.anchors.collect import collect
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.cli import parse_config, run
from vlrlcd.data.card import load_card
from vlrlcd.data.images import check_images
from vlrlcd.data.prompts import Templates
from vlrlcd.job import anchor_store, teacher, training_examples


def main() -> None:
    config = parse_config(__doc__)
    card = load_card(config.data.dataset)
    examples = training_examples(config, card)
    check_images(examples)
    with AnchorStore(anchor_store(config)) as store:
        ledger = collect(examples, Templates(card), teacher(config, card), store)
        print(f"{store.path}: {ledger.calls} anchors asked for, {ledger.cached} were there, {len(store)} in all")


if __name__ == "__main__":
    run(main)
