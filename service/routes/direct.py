"""A route without ceremony, for those that are asked most, and parameters that such a route reads by itself."""

from collections.abc import Awaitable, Callable, Mapping
from operator import attrgetter
from typing import Any, Generic, Literal, TypeVar, cast

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")


class Direct(APIRoute):
    """Described and found like any other route; but its endpoint is given the request, and what it returns is sent.

    There are no dependencies, no declared parameters and no model to go through: for a poll FastAPI spends more on them
    than the endpoint does on its work (`make load` measures it). Whatever the endpoint needs it takes from the request.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        endpoint = cast(Callable[[Request], Awaitable[Response]], self.endpoint)
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


SOURCES: dict[str, Callable[[Request], Mapping[str, str]]] = {
    "path": attrgetter("path_params"),
    "query": attrgetter("query_params"),
    "header": attrgetter("headers"),
}


class Parameter(Generic[T]):
    """One parameter of a direct route: ``described`` in OpenAPI as it is ``read``. Without a default it is required."""

    def __init__(
        self, name: str, place: Literal["path", "query", "header"], type: Any, about: str, *default: T
    ) -> None:
        self.name, self.place, self.about = name, place, about
        self._adapter: TypeAdapter[T] = TypeAdapter(type)
        self._default = default

    def read(self, http: Request) -> T:
        """The value in a request. Raises RequestValidationError, as FastAPI would."""
        text = SOURCES[self.place](http).get(self.name)
        if text is None:
            if self._default:
                return self._default[0]
            raise self._refused([{"type": "missing", "loc": (), "msg": "Field required"}])
        try:
            return self._adapter.validate_python(text)
        except ValidationError as error:
            raise self._refused(error.errors(include_url=False, include_input=False)) from None

    def described(self) -> dict[str, Any]:
        """As OpenAPI has it."""
        required = not self._default
        schema = self._adapter.json_schema()
        return {"name": self.name, "in": self.place, "required": required, "description": self.about, "schema": schema}

    def _refused(self, findings: list[Any]) -> RequestValidationError:
        return RequestValidationError([{**one, "loc": (self.place, self.name, *one["loc"])} for one in findings])


def described(*parameters: Parameter[Any]) -> dict[str, Any]:
    """What OpenAPI says of a direct route's parameters."""
    return {"parameters": [parameter.described() for parameter in parameters]}
