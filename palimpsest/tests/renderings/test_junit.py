"""JUnit XML, against Jenkins' schema; nobody has published a standard."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from palimpsest.contract.verdicts import VERDICTS
from palimpsest.renderings import junit
from palimpsest.renderings.original import Original
from palimpsest.tests.example import with_the_owl_in_a_region
from palimpsest.tests.renderings.originals import original, with_verdicts

JENKINS = xmlschema.XMLSchema(Path(__file__).parents[1] / "schemas" / "jenkins-junit.xsd")


def suites(of: Original) -> list[ET.Element]:
    """What is rendered, valid by the schema."""
    content = junit.render(of)
    JENKINS.validate(content.decode())
    return list(ET.fromstring(content))


def outcomes(of: Original) -> dict[str, str]:
    """The tag inside every case, or passed."""
    cases = [case for suite in suites(of) for case in suite.findall("testcase")]
    return {case.attrib["name"]: next((child.tag for child in case), "passed") for case in cases}


def test_a_suite_a_mitigation_a_case_a_target() -> None:
    """Two targets under none and under NeMo; the numbers add up to the cases."""
    untouched, nemo = suites(original())
    assert (untouched.attrib["name"], nemo.attrib["name"]) == ("none", "nemo")
    told = {name: nemo.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    assert told == {"tests": "2", "failures": "1", "errors": "0", "skipped": "0"}
    assert [case.attrib["classname"] for case in nemo.findall("testcase")] == ["bundled.nemo", "bundled.nemo"]


def test_the_schema_would_refuse_another_element() -> None:
    """The check above can fail."""
    broken = junit.render(original()).replace(b"<failure", b"<failing")
    with pytest.raises(xmlschema.XMLSchemaException):
        JENKINS.validate(broken.decode())


def test_what_each_word_becomes() -> None:
    """Inconclusive is an error, so that no pipeline goes on over it unseen."""
    found = outcomes(with_verdicts(*VERDICTS))
    assert dict(zip(VERDICTS, found.values(), strict=True)) == {
        "not_memorized": "passed",
        "still_replicates": "failure",
        "concealed": "failure",
        "not_recovered": "passed",
        "not_detected": "skipped",
        "inconclusive": "error",
    }


@pytest.mark.parametrize("policy", [None, *([word] for word in VERDICTS)])
def test_nothing_inconclusive_passes(policy: Any) -> None:
    """Under no policy whatever."""
    assert outcomes(with_verdicts("inconclusive", policy=policy))["t1"] in ("error", "failure")


def test_a_tolerated_finding_is_skipped_with_its_sentence() -> None:
    """The policy fails on what still replicates only."""
    [suite] = suites(with_verdicts("concealed", policy=["still_replicates"]))
    [case] = suite.findall("testcase")
    assert "t1 under nemo: concealed" in str(case[0].text)


def test_a_failure_says_why() -> None:
    """The message has the counts, the type the verdict."""
    [_, nemo] = suites(original())
    failure = nemo.find("testcase/failure")
    assert failure is not None
    assert failure.attrib["type"] == "concealed"
    assert "adversarial_embedding 3 of 4 images replicate" in failure.attrib["message"]


def test_an_audit_without_verdicts_has_no_suites() -> None:
    """An empty root is valid; who reads it sees that nothing was tested."""
    assert suites(with_verdicts()) == []


def test_what_xml_cannot_say_is_left_out() -> None:
    """A NUL, a bell, a lone surrogate and U+FFFE would each make a parser stop; newlines and emoji stay."""
    assert junit.clean("a\x00b\x07c\ud800d\ufffee\n🦉<&") == "abcde\n🦉<&"
    report = with_verdicts("concealed").report
    [verdict] = report.verdicts
    odd = report.model_copy(update={"verdicts": [verdict.model_copy(update={"reasons": ["\x00 & <odd>\x1b"]})]})
    [suite] = suites(original(odd))
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.attrib["message"].endswith("& <odd>.")


def test_a_case_of_a_region_is_named_as_one() -> None:
    """So that a pipeline's list never takes it for the image."""
    [none, _] = suites(original(with_the_owl_in_a_region()))
    assert [case.attrib["name"] for case in none.iter("testcase")] == ["owl (region x 0.25–0.75, y 0.5–0.75)", "fox"]
