"""Every line of a file of prompts gives its clip a prompt, or a complaint that says why not."""

import pytest

from hfv_builder.clips.prompt_entries import parse_json, parse_json_lines
from hfv_builder.clips.prompt_table import parse_table
from hfv_builder.clips.prompts import (
    ClipNames,
    Complaint,
    Kind,
    PromptLine,
    match_prompts,
    prompt_group,
    prompt_in_name,
)
from hfv_builder.records import UsageError

CLIPS = ("a.mp4", "b.mp4", "sub/a.mp4", "sub/c.mp4", "deep/x/d.mp4", "deep/y/d.mp4", "caf\u00e9.mp4", "e.mp4", "e.webm")
NAMES = ClipNames(CLIPS, folder="/clips")


def read(text: str) -> tuple[dict[str, str], list[tuple[int | None, str]]]:
    """Return the prompt of every clip, and line and kind of every complaint about a CSV file."""
    lines, malformed = parse_table(text, "p.csv", lambda name: bool(NAMES.find(name)))
    return matched(lines, malformed)


def matched(lines: list[PromptLine], malformed: list[Complaint]) -> tuple[dict[str, str], list[tuple[int | None, str]]]:
    """Return the prompt of every clip, and line and kind of every complaint."""
    prompts, complaints = match_prompts(lines, NAMES)
    prompt_of_clip = {name: prompt for name, (prompt, _) in prompts.items()}
    return prompt_of_clip, [(complaint.line, complaint.kind.value) for complaint in (*malformed, *complaints)]


@pytest.mark.parametrize(
    ("file", "clips"),
    [
        ("a.mp4", ["a.mp4"]),  # never sub/a.mp4
        ("./a.mp4", ["a.mp4"]),
        ("/clips/a.mp4", ["a.mp4"]),
        ("/elsewhere/a.mp4", []),
        ("sub/a.mp4", ["sub/a.mp4"]),
        ("sub//a.mp4", ["sub/a.mp4"]),
        ("sub\\a.mp4", ["sub/a.mp4"]),
        (" b.mp4 ", ["b.mp4"]),
        ("c.mp4", ["sub/c.mp4"]),
        ("./c.mp4", []),
        ("other/c.mp4", []),
        ("d.mp4", ["deep/x/d.mp4", "deep/y/d.mp4"]),
        ("x/d.mp4", []),
        ("b", ["b.mp4"]),
        ("sub/c", ["sub/c.mp4"]),
        ("c", ["sub/c.mp4"]),
        ("e", ["e.mp4", "e.webm"]),
        ("cafe\u0301.mp4", ["caf\u00e9.mp4"]),
        ("B.mp4", []),
        ("", []),
        (".", []),
        ("../a.mp4", []),
    ],
)
def test_the_file_of_a_line_names_clips(file: str, clips: list[str]) -> None:
    assert list(NAMES.find(file)) == clips


def test_every_line_gives_a_prompt_or_a_complaint() -> None:
    prompts, complaints = read(
        "file,prompt\na.mp4,A\nnope.mp4,x\nd.mp4,D\nb.mp4,\nc.mp4,one\nsub/c.mp4,two\nsub/a.mp4,same\nsub/a.mp4,same\n"
    )
    assert prompts == {"a.mp4": "A", "sub/a.mp4": "same"}
    assert sorted(complaints, key=str) == [
        (3, "unmatched"),
        (4, "ambiguous"),
        (5, "empty"),
        (6, "duplicate"),
        (7, "duplicate"),
        (9, "duplicate"),
    ]


@pytest.mark.parametrize(
    ("text", "prompts", "complaints"),
    [
        ("file,prompt\na.mp4,A man, a dog, a tree\nb.mp4,B\n", {"b.mp4": "B"}, [(2, "malformed")]),
        ("file,prompt,prompt_group\na.mp4,A man, a dog\nb.mp4,B,1\n", {"b.mp4": "B"}, [(2, "malformed")]),
        ("file,prompt,prompt_group\na.mp4,A man, a dog, x\n", {}, [(2, "malformed")]),
        ("file,prompt,seed\na.mp4, A man, 3\n", {"a.mp4": " A man"}, []),
        ('file,prompt\na.mp4,"A man, a ""dog"""\n', {"a.mp4": 'A man, a "dog"'}, []),
        ('file,prompt\na.mp4,"two\nlines"\nb.mp4,B\n', {"a.mp4": "two\nlines", "b.mp4": "B"}, []),
        ('file,prompt\na.mp4,"unclosed\nb.mp4,B\n', {"b.mp4": "B"}, [(2, "malformed")]),
        ('file,prompt\na.mp4,"unclosed\nb.mp4,"B, c"\n', {"b.mp4": "B, c"}, [(2, "malformed")]),
        ('file,prompt\na.mp4,"one\nb.mp4,two"\nc.mp4,C\n', {"sub/c.mp4": "C"}, [(2, "malformed"), (3, "malformed")]),
        ('file,prompt\na.mp4,he says "hi"\nb.mp4,a 5" phone\n', {"a.mp4": 'he says "hi"'}, [(3, "malformed")]),
        ('file,prompt\na.mp4,"A" man\nb.mp4,B\n', {"b.mp4": "B"}, [(2, "malformed")]),
        ("file,prompt\na.mp4\n,B\nb.mp4,B\n", {"b.mp4": "B"}, [(2, "malformed"), (3, "malformed")]),
        ("\n\nfile;prompt\r\n\r\na.mp4;A, b\r\n", {"a.mp4": "A, b"}, []),
        ("Prompt\tFILE\nA, b\ta.mp4\n", {"a.mp4": "A, b"}, []),
        ("file,prompt\ra.mp4,A\rb.mp4,B", {"a.mp4": "A", "b.mp4": "B"}, []),
        ("file,prompt\na.mp4,\udcff\nb.mp4,B\n", {"b.mp4": "B"}, [(2, "malformed")]),
        ("file,prompt\na.mp4,  \n", {}, [(2, "empty")]),
    ],
)
def test_quotes_and_cells_of_csv(text: str, prompts: dict[str, str], complaints: list[tuple[int, str]]) -> None:
    assert read(text) == (prompts, complaints)


@pytest.mark.parametrize("text", ["", "\n\n", "name,text\n", "file\n", "a.mp4,A\n", "file,file,prompt\n"])
def test_a_table_without_its_columns_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"p\.csv (is empty|has no column|has two columns)"):
        read(text)


def test_json_gives_prompts_and_complaints() -> None:
    text = """[{"file": "a.mp4", "prompt": "A", "prompt_group": 7}, {"file": "b.mp4", "prompt": null},
        {"file": "c.mp4"}, 3, {"file": 1, "prompt": "x"}, {"file": "e.mp4", "prompt": ["x"]},
        {"file": "e.mp4", "prompt": "1", "prompt": "2"}, {"file": "e.mp4", "prompt": "\\ud800"}]"""
    lines, malformed = parse_json(text, "p.json")
    assert lines[0].group == "7"
    prompts, complaints = matched(lines, malformed)
    assert prompts == {"a.mp4": "A"}
    assert complaints == [*((number, "malformed") for number in range(3, 9)), (2, "empty")]
    by_name, complaints = matched(*parse_json('{"a.mp4": "A", "b.mp4": {"prompt": "B"}, "a.mp4": "C"}', "p.json"))
    assert by_name == {"b.mp4": "B"}
    assert complaints == [(3, "duplicate"), (1, "duplicate")]


@pytest.mark.parametrize("text", ["", "[1", '"a"', "7", "[" * 100_000, f"[{'1' * 5000}]"])
def test_invalid_json_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"p\.json (is not valid JSON at line 1|is neither|is nested|has an integer)"):
        parse_json(text, "p.json")


def test_json_lines_give_prompts_and_complaints() -> None:
    text = '{"file": "a.mp4", "prompt": "A\u2028B"}\r\n\n{"file": "b.mp4"\n{"file": "b.mp4", "prompt": "B"}\n[1]\n'
    text += f'{{"prompt_group": {"1" * 5000}}}\n'
    lines, malformed = parse_json_lines(text)
    prompts, complaints = matched(lines, malformed)
    assert prompts == {"a.mp4": "A\u2028B", "b.mp4": "B"}
    assert complaints == [(number, "malformed") for number in (3, 5, 6)]


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("A man runs-0.mp4", "A man runs"),
        ("sub/a well-lit room-12.mp4", "a well-lit room"),
        ("3-0.mp4", "3"),
        ("a.b, c-1.webm", "a.b, c"),
        ("-0.mp4", None),
        (" -0.mp4", None),
        ("A man runs.mp4", None),
        ("A man-a.mp4", None),
    ],
)
def test_file_names_can_hold_the_prompt(name: str, prompt: str | None) -> None:
    assert prompt_in_name(name) == prompt


def test_prompts_with_equal_words_are_one_group() -> None:
    assert prompt_group("A man  runs") == prompt_group(" a man runs") != prompt_group("a man ran")
    assert prompt_group("a café") == prompt_group("a cafe\u0301")  # as names of files from a Mac are stored
    lines = [PromptLine(line=2, file="a.mp4", prompt="x", group="g"), PromptLine(line=3, file="b.mp4", prompt="x")]
    prompts, _ = match_prompts(lines, NAMES)
    assert prompts == {"a.mp4": ("x", "g"), "b.mp4": ("x", prompt_group("x"))}


def test_complaints_say_what_to_do() -> None:
    _, (complaint,) = parse_table("file,prompt\na.mp4,A man, a dog\n", "p.csv", lambda _: False)
    assert (complaint.line, complaint.file, complaint.kind) == (2, "a.mp4", Kind.MALFORMED)
    assert complaint.reason.startswith("it has 3 cells, not 2; put a prompt with a comma or a quote in double quotes")
