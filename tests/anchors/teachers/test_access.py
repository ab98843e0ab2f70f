"""Addresses and keys: nothing unsafe without being asked for, and no key where it can be read later."""

import pytest

from vlrlcd.anchors.teachers.access import access
from vlrlcd.config import Config, TeacherConfig
from vlrlcd.config_check import faults
from vlrlcd.errors import UserError

KEY = "sk-planted-0123456789"
OWN = "http://127.0.0.1:8000/v1"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def found(**settings):
    """As a script finds it: the configuration is checked first."""
    config = Config(teacher=TeacherConfig(**settings))
    for fault in faults(config):
        raise UserError(fault)
    return access(config.teacher)


def refused(**settings):
    with pytest.raises(UserError) as caught:
        found(**settings)
    assert KEY not in str(caught.value)
    return str(caught.value)


def test_openai_s_own_address_takes_the_usual_variable(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    assert found().key == KEY and not found().is_local


def test_no_other_address_is_sent_that_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert found(base_url=OWN).key == found(base_url="https://example.org/v1").key == ""


def test_another_variable(monkeypatch):
    monkeypatch.setenv("OTHER_KEY", KEY)
    assert found(base_url="https://example.org/v1", api_key_env="OTHER_KEY").key == KEY


def test_a_missing_key_is_named():
    assert "the environment variable OPENAI_API_KEY holds no key" in refused()


def test_a_file_outside_of_repositories(tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert found(api_key_file=str(tmp_path / "key")).key == KEY


def test_a_file_inside_a_repository(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/key").write_text(KEY)
    assert "lies in the repository" in refused(api_key_file=str(tmp_path / "deep/key"))


def test_a_file_that_is_not_there_or_empty(tmp_path):
    assert "cannot be read" in refused(api_key_file=str(tmp_path / "key"))
    (tmp_path / "key").write_text("\n")
    assert "is empty" in refused(api_key_file=str(tmp_path / "key"))


def test_a_file_of_something_else(tmp_path):
    (tmp_path / "key").write_text(f"export OPENAI_API_KEY={KEY}\n")
    assert "is no key" in refused(api_key_file=str(tmp_path / "key"))


@pytest.mark.parametrize("key", [KEY, "abcdef0123456789abcdef0123456789"])
def test_a_key_where_a_variable_s_or_file_s_name_belongs_is_not_repeated(key):
    assert "not the key itself" in (said := refused(api_key_env=key)) and key not in said
    assert "cannot be read" in (said := refused(api_key_file=key)) and key not in said


@pytest.mark.parametrize("field", ["api_key", "Authorization", "api-key", "client_secret"])
def test_a_field_that_is_named_like_a_secret(field):
    assert f"holds '{field}'" in refused(extra_body={"more": [{field: KEY}]})


def test_a_key_elsewhere_in_the_configuration(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert "stands in the configuration" in refused(extra_body={"headers": {"auth": f"Token {KEY}"}})


@pytest.mark.parametrize("url", [f"https://me:{KEY}@example.org/v1", f"https://example.org/v1?api-key={KEY}"])
def test_an_address_with_a_key_in_it(url):
    assert "must not hold a password or parameters" in refused(base_url=url)


@pytest.mark.parametrize("url", ["", "example.org", "file:///etc/passwd", "http://", "http://[::1"])
def test_what_is_no_address(url):
    assert "teacher.base_url must be" in refused(base_url=url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.0.1", "[::1]"])
def test_plain_http_to_this_machine(host):
    assert found(base_url=f"http://{host}:8000/v1/").is_local
    assert not found(base_url=f"http://{host}:8000/v1/").base_url.endswith("/")


@pytest.mark.parametrize("host", ["10.0.0.7", "example.org", "localhost.example.org"])
def test_plain_http_to_another_machine_wants_a_flag(host):
    url = f"http://{host}:8000/v1"
    assert "unencrypted" in refused(base_url=url)
    assert not found(base_url=url, allow_plain_http=True).is_local


def test_the_key_is_not_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert KEY not in repr(found()) and found().hidden(f"bad key {KEY}!") == "bad key [key]!"
