"""People: whether a clip shows a person. A detector of people sorts clips for reviewers; it is no judge."""

from hfv_builder.audit.finding import Area, Report
from hfv_builder.audit.limits import not_computed


def people() -> Report:
    """Return that nothing is known: no detector of people is installed."""
    why = "no person detector is installed; reviewers reject clips without a person as 'not a person'"
    return Report(area=Area.PEOPLE, findings=(not_computed("person in the clip", why, advice="hfv review"),))
