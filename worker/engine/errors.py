"""Why a unit of an audit can fail. Expected failures travel as data: a code, a sentence, and whether to try again.

* EngineError
  x OutOfMemory         model, gradients and batch did not fit          (tried again)
  x SearchDiverged      an embedding left the finite numbers            (the method's, reported)
  x ModelChanged        the weights are not the ones that were inspected
  x SetChanged          a registered picture is not the one that was planned for
  x ModelRefused        the folder is not a model this engine can load
    - FileRefused         it holds what does not belong to a model, or leads out of it
    - ModelPickled        a file of it is a pickle
    - WeightsMalformed    a safetensors file is not what its header says
    - ConfigRefused       a configuration is not plain JSON within bounds
    - RemoteCode          it asks for code that comes with it
    - ClassRefused        it names a class that is not on the list
  x SourceRefused       what a model is fetched from is not named well, or does not hold it
  x SourceUnreachable   what a model is fetched from does not answer (tried again)
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

    code = "MODEL_REFUSED"


class FileRefused(ModelRefused):
    """The folder holds a file that belongs to no model, or one that is not in it."""

    code = "MODEL_FILE_REFUSED"


class ModelPickled(ModelRefused):
    """A file is a pickle by its content, or is named like one."""

    code = "MODEL_PICKLED"


class WeightsMalformed(ModelRefused):
    """A safetensors file is not what its header says."""

    code = "MODEL_WEIGHTS_MALFORMED"


class ConfigRefused(ModelRefused):
    """A configuration is not plain JSON, or out of bounds."""

    code = "MODEL_CONFIG_REFUSED"


class RemoteCode(ModelRefused):
    """The model asks for code that comes with it."""

    code = "MODEL_REMOTE_CODE"


class ClassRefused(ModelRefused):
    """The model names a class that is not on the list."""

    code = "MODEL_CLASS_REFUSED"


class SourceRefused(EngineError):
    """A registration names no source, or one that does not hold the model."""

    code = "MODEL_SOURCE_REFUSED"


class SourceUnreachable(EngineError):
    """What a model is fetched from does not answer, or not with what it lists."""

    code = "MODEL_SOURCE_UNREACHABLE"
    again = True


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
