"""JUnit XML, for pipelines: a suite a mitigation, a case a target.

    <failure>   what the policy fails on; without a policy a target that replicates or is concealed
    <error>     inconclusive: it could not be told, which must not look like a pass
    <skipped>   not detected, or a finding that the policy tolerates
    passed      not memorized, not recovered

The format has no published standard; this is what Jenkins' own schema takes. A case has no time of its own in a report,
so every case has 0.
"""

from xml.etree import ElementTree as ET

from palimpsest.contract.report import Verdict
from palimpsest.renderings.judgement import judged
from palimpsest.renderings.original import Original
from palimpsest.renderings.sarif import sentence

OUTCOMES = {"failed": "failure", "inconclusive": "error", "warned": "skipped"}


def render(original: Original) -> bytes:
    """The document, in UTF-8."""
    root = ET.Element("testsuites", name="palimpsest")
    for mitigation in dict.fromkeys(verdict.mitigation for verdict in original.report.verdicts):
        root.append(suite(original, mitigation))
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def suite(original: Original, mitigation: str) -> ET.Element:
    """Every target under one mitigation."""
    cases = [case(original, verdict) for verdict in original.report.verdicts if verdict.mitigation == mitigation]
    counts = {f"{tag}s": sum(found.find(tag) is not None for found in cases) for tag in ("failure", "error")}
    skipped = sum(found.find("skipped") is not None for found in cases)
    numbers = {"tests": len(cases), **counts, "skipped": skipped, "time": 0}
    element = ET.Element("testsuite", {"name": clean(mitigation)} | {name: str(n) for name, n in numbers.items()})
    element.append(properties(original))
    element.extend(cases)
    return element


def properties(original: Original) -> ET.Element:
    """What the suite was run on."""
    report, model = original.report, original.audited
    told = {
        "audit": report.audit_id,
        "state": report.state,
        "model": model.id,
        "model_digest": model.digest,
        "report_sha256": original.sha256,
        "result_digest": report.result_digest,
    }
    element = ET.Element("properties")
    for name, value in told.items():
        ET.SubElement(element, "property", name=name, value=clean(value))
    return element


def case(original: Original, verdict: Verdict) -> ET.Element:
    """One target."""
    classname = f"{original.model_of(verdict).id}.{verdict.mitigation}"
    element = ET.Element("testcase", name=clean(verdict.about), classname=clean(classname), time="0")
    found = judged(original.report, verdict)
    kind = "inconclusive" if verdict.verdict == "inconclusive" and found == "warned" else found
    if kind == "passed":
        return element
    if kind == "warned":
        ET.SubElement(element, "skipped").text = clean(sentence(verdict))
    else:
        ET.SubElement(element, OUTCOMES[kind], type=verdict.verdict, message=clean(sentence(verdict)))
    return element


def clean(text: str) -> str:
    """Without the characters that XML 1.0 cannot say."""
    return "".join(
        letter for letter in text if letter in "\t\n\r" or 0x20 <= ord(letter) <= 0xD7FF or speakable(letter)
    )


def speakable(letter: str) -> bool:
    """Beyond the surrogates, without the two that are no characters."""
    return 0xE000 <= ord(letter) <= 0xFFFD or ord(letter) >= 0x10000
