"""Why a planting is refused. What goes wrong further down has errors of its own (``worker.engine.errors``)."""


class Unplantable(Exception):
    """What was given cannot be planted, or could not be told apart afterwards."""
