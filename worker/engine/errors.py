"""Why a unit of an audit can fail. Expected failures travel as data: a code, a sentence, and whether to try again.

* EngineError
  x OutOfMemory         model, gradients and batch did not fit          (tried again)
  x SearchDiverged      an embedding left the finite numbers            (the method's, reported)
  x ModelChanged        the weights are not the ones that were inspected
  x SetChanged          a registered picture is not the one that was planned for
  x ModelRefused        the folder is not a model this engine can load
  x JudgeRefused        the descriptor is not the one its card names
  x ImageUnreadable     a picture cannot be decoded
  x MethodFailed        a method cannot be carried out on this model or these targets
* Cancelled             the audit is being cancelled: not an error, the one cooperative exit
"""


class EngineError(Exception):
    """The engine's tree. ``code`` is stable, ``again`` says whether another attempt could help."""

    code = "METHOD_FAILED"
    again = False


class OutOfMemory(EngineError):
    """Model, gradients and batch did not fit."""

    code = "OUT_OF_MEMORY"
    again = True


class SearchDiverged(EngineError):
    """An embedding left the finite numbers."""

    code = "SEARCH_DIVERGED"


class ModelChanged(EngineError):
    """The weights on disk are not the ones that were inspected."""

    code = "MODEL_CHANGED"


class SetChanged(EngineError):
    """A registered picture's bytes are not the ones the audit was planned for."""

    code = "SET_CHANGED"


class ModelRefused(EngineError):
    """The folder does not hold a model this engine can load."""

    code = "MODEL_CHANGED"


class JudgeRefused(EngineError):
    """The descriptor's bytes are not the ones its card names."""

    code = "MODEL_CHANGED"


class ImageUnreadable(EngineError):
    """A picture cannot be decoded."""

    code = "EVIDENCE_UNREADABLE"


class MethodFailed(EngineError):
    """A method cannot be carried out here."""


class Cancelled(BaseException):
    """Raised by a watch between two denoising steps.

    Derives from BaseException so that no handler takes it for an error.
    """
