"""Two "machines" on one: torchrun's and DeepSpeed's own way without ssh, one command a machine."""

import pytest

from tests.run.jobs import BIN, figures, finish, flags, free_port, launch

AT = {
    "torchrun": "--master_addr=127.0.0.1 --nnodes=2 --nproc_per_node=1",
    "deepspeed": "--master_addr=127.0.0.1 --no_ssh",
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", AT)
def test_two_machines_train_what_one_process_trains(here, tmp_path, launcher):
    (tmp_path / "hostfile").write_text("127.0.0.1 slots=1\nlocalhost slots=1\n")
    hosts = [f"--hostfile={tmp_path / 'hostfile'}"] if launcher == "deepspeed" else []
    port = f"--master_port={free_port()}"
    both = [
        launch(
            [str(BIN / launcher), *AT[launcher].split(), *hosts, port, f"--node_rank={node}"],
            "scripts/train.py",
            *flags(here, {"run.name": "two"}),
        )
        for node in range(2)
    ]
    for process in both:
        code, _, err = finish(process)
        assert code == 0, err
    code, _, err = finish(launch([], "scripts/train.py", *flags(here, {"run.name": "one"})))
    assert code == 0, err
    losses = [[line["loss"] for line in figures(tmp_path / name)] for name in ("two", "one")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
