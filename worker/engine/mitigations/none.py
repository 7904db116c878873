"""Leave the model as it is: the row every other one is compared with."""

from palimpsest.contract.methods import NoMitigationParams
from worker.engine.edits import Mitigated
from worker.engine.items import Item
from worker.engine.setting import Setting


def apply(setting: Setting, targets: list[Item], params: NoMitigationParams) -> Mitigated:
    """No edit."""
    return Mitigated(edit=None, scope=None)
