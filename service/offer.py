"""What this deployment offers, as workers published it: the gateway never loads a model to find out."""

from dataclasses import dataclass

from ledger import catalogue
from ledger.database import Ledger
from palimpsest.contract.catalogue import MethodCard, MethodList, ModelCard, ModelList
from service.errors import CatalogueNotReady


@dataclass(frozen=True)
class Offer:
    """The models and methods that can be asked for."""

    engine: str
    models: list[ModelCard]
    methods: list[MethodCard]

    def model(self, id: str | None) -> ModelCard | None:
        """The model of this id; None where there is none, or none is named."""
        return next((card for card in self.models if card.id == id), None)

    def kinds(self, role: str) -> set[str]:
        """The methods of a role."""
        return {card.kind for card in self.methods if card.role == role}


def read(ledger: Ledger, tenant: str) -> Offer:
    """The catalogue. Raises CatalogueNotReady before a worker has published one."""
    with ledger.reading() as connection:
        models = catalogue.model_cards(connection, tenant)
        methods = catalogue.method_cards(connection, tenant)
    if not models or methods is None:
        raise CatalogueNotReady
    engine, cards = methods
    return Offer(engine, ModelList(data=models).data, MethodList(engine=engine, data=cards).data)
