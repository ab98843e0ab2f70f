"""axe finds nothing serious on the page of one run and of several: light and dark, phone and desktop, rows open."""

import pytest

from tests.browser.conftest import DESKTOP, PHONE


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("name", ["report", "comparison"])
def test_the_pages(show, request, name, axe, scheme, viewport):
    opened = show(request.getfixturevalue(name), viewport=viewport, color_scheme=scheme)
    opened.open_all(":nth-of-type(2n+1), :not(.item)")
    assert opened.faults(axe) == []


def test_axe_finds_what_is_there_to_find(show, tmp_path, axe):
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!doctype html><html lang=en><title>x</title><main><h1>x</h1><p style='color:#ccc'>pale</p><img src=x>"
    )
    assert {fault.split(":")[0] for fault in show(bad).faults(axe)} == {"color-contrast", "image-alt"}
