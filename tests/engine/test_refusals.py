"""Settings that are refused at once."""

import pytest

from model_adapters import AdapterError, adapter_for
from vlrlcd.cli import parse_config
from vlrlcd.errors import UserError


def test_a_checkpoint_path_that_went_wrong_is_not_asked_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for missing in ("checkpoints/no-such", "./nowhere/at/all", str(tmp_path / "gone")):
        with pytest.raises(AdapterError, match=r"no such folder, and no hub id"):
            adapter_for(missing)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stage2: 5\n", r"section 'stage2' must hold keys and values, but holds 5"),
        ("- 1\n", r"a configuration is a mapping of sections, but this is a list"),
        ("data: [\n", r"not valid YAML"),
        ("# für\n", r"not valid YAML \('utf-8' codec can't decode"),
    ],
)
def test_yaml_that_is_no_configuration_is_named(tmp_path, text, message):
    (tmp_path / "odd.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=rf"odd\.yaml: {message}"):
        parse_config("", argv=[f"--config={tmp_path / 'odd.yaml'}"])


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--ranking.gamma=2", r"ranking\.gamma is given but ranking\.tau is not"),
        ("--evaluation.resamples=0", r"evaluation\.resamples=0 must be above 0"),
        ("--stage2.learning_rate=-1", r"stage2\.learning_rate=-1\.0 must not be negative"),
    ],
)
def test_values_that_make_no_sense_are_named(flag, message):
    with pytest.raises(UserError, match=message):
        parse_config("", argv=[flag])
