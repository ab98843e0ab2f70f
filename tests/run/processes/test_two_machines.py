"""Two machines and the network between them: namespaces of one kernel, each with its address, name and processes."""

import json
import os
import signal
import subprocess

import pytest

from tests.run.jobs import BIN, figures, finish, flags, launch, lines, same_bits, send_at, start, weights

pytestmark = pytest.mark.slow
NODES = {"node0": "10.77.0.1", "node1": "10.77.0.2"}
SLOTS = "node0 slots=2\nnode1 slots=1\n"
LAUNCHERS = {
    "deepspeed": "--hostfile {hostfile} --no_ssh --node_rank {node} --master_addr node0 --master_port 29500",
    "torchrun": "--nnodes 2 --nproc_per_node 1 --rdzv_backend c10d --rdzv_endpoint node0:29500 --rdzv_id it",
}
"""One command a machine, as in docs/scaling.md without ssh and under SLURM."""
CONNECT = """
ip netns add {0}
ip netns add {1}
ip link add eth0 netns {0} type veth peer name eth0 netns {1}
ip -n {0} address add 10.77.0.1/24 dev eth0
ip -n {1} address add 10.77.0.2/24 dev eth0
for space in {0} {1}; do for link in lo eth0; do ip -n $space link set $link up; done; done
"""
DISMISS = "ip netns pids {0} | xargs -r kill -KILL; ip netns delete {0}"
ENTER = 'mount --bind "$1" /etc/hosts && hostname "$2" && shift 2 && exec "$@"'
AS_A_MACHINE = ["unshare", "--uts", "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-c", ENTER, "sh"]
LONGER = {"stage1.epochs": 3, "stage2.epochs": 3, "evaluation.limit": 2, "run.save_every": 3, "run.resume": "auto"}
"""Nine steps a stage."""


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """What a command is put behind to run on the first and on the second of them."""
    spaces = [f"vlrlcd-{os.getpid()}-{name}" for name in NODES]
    hosts = tmp_path_factory.mktemp("network") / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in NODES.items()))
    on = [["ip", "netns", "exec", s, *AS_A_MACHINE, str(hosts), name] for s, name in zip(spaces, NODES, strict=True)]
    try:
        for command in (["sh", "-ec", CONNECT.format(*spaces)], *([*where, "true"] for where in on)):
            tried = subprocess.run(command, capture_output=True, text=True, check=False)
            if tried.returncode:
                pytest.skip(f"needs root, iproute2 and a kernel that has network namespaces: {tried.stderr}")
        yield on
    finally:
        for space in spaces:
            subprocess.run(["sh", "-c", DISMISS.format(space)], capture_output=True, check=False)


@pytest.fixture(scope="module")
def job(machines, inputs, zero_files, tmp_path_factory):
    """(starts the run of a name on both, the settings of all)."""
    root = tmp_path_factory.mktemp("shared")
    (root / "hostfile").write_text(SLOTS)
    settings = {**inputs, **LONGER, "run.root": root, "engine.deepspeed": zero_files["zero2"]}

    def begin(name, launcher="deepspeed"):
        arguments = ["scripts/train.py", *flags(settings, {"run.name": name})]
        options = [LAUNCHERS[launcher].format(hostfile=root / "hostfile", node=node).split() for node in range(2)]
        return [launch([*machines[node], str(BIN / launcher), *options[node]], *arguments) for node in range(2)]

    return begin, settings


def assert_well(processes):
    for process in processes:
        code, _, err = finish(process)
        assert code == 0, err


@pytest.fixture(scope="module")
def trained(job):
    """A run on both that nothing interrupted."""
    begin, settings = job
    assert_well(begin("trained"))
    return settings["run.root"] / "trained"


def test_two_machines_train_what_one_process_trains(job, trained):
    begin, settings = job
    assert_well(begin("torchrun", "torchrun"))
    assert_well([start(settings, {"run.name": "alone"})])
    torchrun, alone = trained.with_name("torchrun"), trained.with_name("alone")
    losses = [[line["loss"] for line in figures(run)] for run in (trained, torchrun, alone)]
    assert losses[0] == pytest.approx(losses[2], rel=1e-4)
    assert losses[1] == pytest.approx(losses[2], rel=1e-4)


def test_the_death_of_one_ends_the_other_and_the_same_command_goes_on(job, trained):
    begin, _ = job
    run = trained.with_name("it")
    survivor, killed = begin("it")
    send_at(killed, run, "stage2", 4, signal.SIGKILL, group=True)
    code, _, err = finish(survivor, 60)
    finish(killed)
    assert code == 1
    said = [line for line in err.splitlines() if "error:" in line or "Traceback" in line]
    assert len(said) == 1, err
    assert "error: the connection to another machine broke" in said[0] and NODES["node1"] in said[0]

    place = json.loads((run / "place.json").read_text())
    assert (place["stage"], place["step"] % 3) == ("stage2", 0)
    kept = lines(run / "metrics.jsonl")[: 9 + place["step"]]
    assert_well(begin("it"))
    # with the seconds that they took
    assert lines(run / "metrics.jsonl")[: len(kept)] == kept
    assert figures(run) == figures(trained)
    assert same_bits(weights(run), weights(trained))
