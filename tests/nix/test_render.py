"""modules/render.nix: data to a unit's text."""

from __future__ import annotations

import pytest

from .conftest import TOP, Evaluate, NixError

pytestmark = pytest.mark.nix


def rendered(evaluate: Evaluate, sections: str) -> str:
    return str(evaluate(f"import {TOP}/modules/render.nix ({sections})"))


def test_sections_come_in_systemd_s_usual_order(evaluate: Evaluate) -> None:
    text = rendered(
        evaluate,
        '{ Install.WantedBy = "meso.target"; Service.Type = "notify"; Unit.Description = "X"; }',
    )
    assert text == (
        "[Unit]\nDescription=X\n\n[Service]\nType=notify\n\n[Install]\nWantedBy=meso.target\n"
    )


def test_a_list_repeats_its_key_in_order(evaluate: Evaluate) -> None:
    text = rendered(evaluate, '{ Unit.After = [ "b.service" "a.service" ]; }')
    assert text == "[Unit]\nAfter=b.service\nAfter=a.service\n"


def test_booleans_numbers_null_and_the_empty_value(evaluate: Evaluate) -> None:
    text = rendered(
        evaluate,
        "{ Service = { NoNewPrivileges = true; PrivateTmp = false; TasksMax = 64; Slice = null;"
        ' CapabilityBoundingSet = ""; }; }',
    )
    assert text == (
        "[Service]\nCapabilityBoundingSet=\nNoNewPrivileges=yes\nPrivateTmp=no\nTasksMax=64\n"
    )


@pytest.mark.parametrize("value", ["1.5", "{ a = 1; }", "[ [ 1 ] ]"])
def test_what_systemd_has_no_word_for_is_refused_with_the_directive_s_name(
    evaluate: Evaluate, value: str
) -> None:
    with pytest.raises(NixError, match="MemoryMax"):
        rendered(evaluate, f"{{ Service.MemoryMax = {value}; }}")
