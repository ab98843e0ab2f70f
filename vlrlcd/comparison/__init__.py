"""Methods × controls × regimes × seeds: many runs of `scripts/train.py`, and one table of them."""
