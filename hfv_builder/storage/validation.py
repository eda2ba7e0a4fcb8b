"""What pydantic finds wrong with values, as a clause of an error message."""

from typing import Any


def first_problem(error: Any, *, unknown: str = "", within: str = "") -> str:
    """Return the field of the first problem and what is wrong with it: `c: input should be greater than 0`.

    Args:
        error: a `pydantic.ValidationError`, or another error with its method `errors`.
        unknown: what to say of a field that does not exist; empty for pydantic's words.
        within: the name of the table that was validated, to precede that of the field; empty for none.
    """
    first = error.errors()[0]
    place = ".".join([*([within] if within else []), *map(str, first["loc"])])
    wrong = unknown if unknown and first["type"] == "unexpected_keyword_argument" else first["msg"]
    return f"{place}: {wrong[0].lower()}{wrong[1:]}"
