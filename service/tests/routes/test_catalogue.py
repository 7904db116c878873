"""What can be audited and how, over HTTP."""

from palimpsest.contract.catalogue import MethodList, ModelList
from service.tests.conftest import Bench


def test_models_and_methods_are_those_that_were_published(bench: Bench) -> None:
    """Both answers are the contract's, and name the engine that published last."""
    models = ModelList.model_validate(bench.client.get("/v1/models").json())
    methods = MethodList.model_validate(bench.client.get("/v1/methods").json())
    assert [(card.id, card.tokenizer_length) for card in models.data] == [("bundled", 77)]
    assert methods.engine == "engine-1"
    assert {card.kind for card in methods.data if card.role == "mitigation"} == {"none", "nemo", "wanda"}


def test_before_a_worker_has_published_there_is_nothing_to_tell(empty: Bench) -> None:
    """503 with Retry-After, for submitting too, and nothing is recorded."""
    answers = [empty.client.get("/v1/models"), empty.client.get("/v1/methods")]
    answers.append(empty.post({"model": "bundled", "target_set": "bundled:targets"}))
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "CATALOGUE_NOT_READY")
        assert answer.headers["Retry-After"].isdecimal()
    assert empty.count() == 0
