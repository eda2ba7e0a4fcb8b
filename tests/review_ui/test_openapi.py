"""Whatever the OpenAPI description allows gets an answer that it describes."""

from datetime import timedelta
from importlib import import_module
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.review_ui.conftest import Person

CHECKS = ["response_schema_conformance", "status_code_conformance", "content_type_conformance"]
EXAMPLES = 160
"""About ten a route."""


def test_no_request_breaks_the_server(anna: Person) -> None:
    schemathesis: Any = import_module("schemathesis")  # here, since every process imports the tests of all
    checks = import_module("schemathesis.specs.openapi.checks")
    description = anna.get("/api/openapi.json")
    clips = [item["clip_id"] for item in anna.hand(8)]
    schema = schemathesis.openapi.from_dict(description)
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]
    # Leaving would end the session that the others need.
    cases = [each.as_strategy() for each in operations if each.label != "DELETE /api/session"]
    assert len(cases) > 15
    seen: set[str] = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(case=st.one_of(cases), clip=st.sampled_from([*clips, None]))
    def check(case: Any, clip: str | None) -> None:
        # A clip that exists gets further than one that was made up.
        if clip is not None and "clip_id" in (case.path_parameters or {}):
            case.path_parameters["clip_id"] = clip
        if clip is not None and isinstance(case.body, dict) and "clip_id" in case.body:
            case.body["clip_id"] = clip
            if "answer" in case.body:  # few bodies made up by chance fit together
                case.body |= {"answer": "spatial", "reason": None, "t_start": None, "t_end": None, "box": None}
        own = {"Cookie": f"hfv_session={anna.cookie}"}
        body = case.body if isinstance(case.body, dict | list) else None
        response = anna.client.request(
            case.method, case.formatted_path, params=case.query or None, json=body, headers=own
        )
        seen.add(f"{case.operation.label} {response.status_code}")
        assert response.status_code < 500, response.text
        if case.operation.label == "DELETE /api/hand":
            anna.hand(8)  # a decision needs a lease
        if response.status_code >= 400:
            assert isinstance(response.json()["error"], str)
        # The checks know the responses of httpx; the test client gives those of its successor.
        sent = httpx.Request(case.method, str(response.request.url))
        headers, content = response.headers.raw, response.content
        same = httpx.Response(response.status_code, headers=headers, content=content, request=sent)
        same.elapsed = timedelta(0)
        case.validate_response(same, checks=[getattr(checks, name) for name in CHECKS])

    check()
    assert any(each.startswith("POST /api/decisions ") for each in seen), sorted(seen)
    anna.decide(anna.hand(8)[0]["clip_id"], "unsure")  # the server still works


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        1,
        {},
        {"decision_id": 1},
        {"decision_id": "a" * 16, "clip_id": "../../etc/passwd", "answer": "real"},
    ],
)
def test_nonsense_is_refused_in_a_sentence(guest: Person, body: Any) -> None:
    for path in ("/api/decisions", "/api/undo", "/api/adjudications", "/api/queues/labels/hand", "/api/session"):
        response = guest.send("POST", path, body)
        if path.endswith("/hand") and body == {}:
            continue
        assert response.status_code == 422
        assert list(response.json()) == ["error"]
