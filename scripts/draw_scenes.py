"""Draw a set of scenes with questions in the official A-OKVQA layout."""

import argparse

from vlrlcd.scenes.release import write_release


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--pretrain", type=int, default=0, help="questions of the pretraining scenes")
    parser.add_argument("--train", type=int, default=2000, help="training questions")
    parser.add_argument("--val", type=int, default=500, help="validation questions")
    parser.add_argument("--test", type=int, default=500, help="test questions, written without answers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--grid", type=int, default=2, choices=(2, 3))
    args = parser.parse_args()
    for split in ("pretrain", "train", "val", "test"):
        if questions_n := getattr(args, split):
            write_release(args.out, split, questions_n, args.seed, args.grid)


if __name__ == "__main__":
    main()
