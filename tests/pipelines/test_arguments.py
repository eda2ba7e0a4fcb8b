"""The arguments of the command line: where they may stand, and which are refused."""

import argparse
from pathlib import Path

import pytest

from pipelines.arguments import parser
from pipelines.cli import main


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "required: COMMAND"),
        (["scoer"], "invalid choice: 'scoer'"),
        (["score"], "required: --generator"),
        (["score", "--generator", "k", "--metrics", "motion,depth"], "there is no metric 'depth'"),
        (["score", "--generator", "k", "--workers", "-1"], "'-1' is not a whole number"),
        (["score", "--generator", "k", "--deadline", "0"], "'0' is not a whole number from 1 to"),
        (["score", "--generator", "k", "--cluster", "slrum"], "invalid choice: 'slrum'"),
        (["split", "--labels", "best"], "invalid choice: 'best'"),
        (["review", "--port", "99999"], "'99999' is not a whole number from 1 to 65535"),
        (["review", "--port", "0"], "'0' is not a whole number from 1 to 65535"),
        (["review", "--port", "8 0"], "'8 0' is not a whole number"),
        (["review", "--overlap", "101"], "'101' is not a whole number from 1 to 100"),
        (["split", "--overlap", "1" * 5000], "is not a whole number from 1 to 100"),
        (["reviews", "export", "--overlap", "-1"], "'-1' is not a whole number from 1 to 100"),
        (["score", "--generator", "k", "--deadline", "9" * 12], "is not a whole number from 1 to"),
        (["score", "--generator", "k", "--wait", "9" * 12], "is not a whole number from 1 to"),
        (["score", "--generator", "k", "--workers", "٣"], "'٣' is not a whole number"),
        (["demo", "--seed", "-1"], "'-1' is not a whole number from 0 to"),
        (["catalog", "--generator", "k", "--clips", "c", "--prompts", "p", "--prompts-in-names"], "not allowed with"),
    ],
)
def test_wrong_arguments_have_exit_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


GLOBAL_OPTIONS = [["--json"], ["-v"], ["--manifests", "elsewhere"]]


@pytest.mark.parametrize("command", [["status"], ["label"], ["catalog", "--generator", "k", "--clips", "c"]])
@pytest.mark.parametrize("option", GLOBAL_OPTIONS)
def test_global_options_may_precede_or_follow_the_command(command: list[str], option: list[str]) -> None:
    plain = vars(parser().parse_args(command))
    before, after = (vars(parser().parse_args(arguments)) for arguments in ([*option, *command], [*command, *option]))
    assert before == after
    assert [name for name in plain if plain[name] != before[name]] == [
        {"-v": "verbose"}.get(option[0], option[0].lstrip("-"))
    ]


@pytest.mark.parametrize("option", GLOBAL_OPTIONS)
def test_global_options_may_stand_anywhere_around_an_action(option: list[str]) -> None:
    places = ([*option, "reviews", "export"], ["reviews", *option, "export"], ["reviews", "export", *option])
    first, *others = (vars(parser().parse_args(arguments)) for arguments in places)
    assert first == others[0] == others[1] != vars(parser().parse_args(["reviews", "export"]))


def test_global_options_before_and_after_the_command_combine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFV_MANIFESTS", "")
    options = parser().parse_args(["--json", "status", "-v"])
    assert (options.json, options.verbose, options.manifests) == (True, True, "manifests")
    assert parser().parse_args(["--manifests", "a", "status", "--manifests", "b"]).manifests == "b"
    monkeypatch.setenv("HFV_MANIFESTS", "there")
    assert parser().parse_args(["status"]).manifests == "there"


def test_the_home_folder_is_known_where_shells_do_not_expand_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("HFV_MANIFESTS", "~/m")
    found = parser().parse_args(["release", "attach", "~/r", "--clips=~/c", "--clips", "~c/d", "--out=~"])
    assert (found.manifests, found.folder, found.out) == (
        "/home/anna/m",
        Path("/home/anna/r"),
        Path("/home/anna"),
    )
    assert found.clips == ["/home/anna/c", "~c/d"]


def options_with_values() -> list[tuple[str, str]]:
    """Return command and option of all options that take a text or a path."""
    commands: dict[str, argparse.ArgumentParser] = parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr, assignment]
    options = []
    for name, command in commands.items():
        nested = [action for action in command._actions if isinstance(action, argparse._SubParsersAction)]
        inner = {f"{name} {key}": value for action in nested for key, value in action.choices.items()}
        for path, subparser in ({name: command} | inner).items():
            options += [
                (path, action.option_strings[0])
                for action in subparser._actions
                if action.option_strings and action.nargs is None and not action.choices
            ]
    return options


@pytest.mark.parametrize(("command", "option"), options_with_values())
@pytest.mark.parametrize("value", ["", " "])
def test_options_refuse_empty_values(command: str, option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*command.split(), option, value, *(["a"] if command == "release" else [])])
    assert end.value.code == 2
    assert f"argument {option}: " in capsys.readouterr().err
