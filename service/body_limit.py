"""No body larger than the limit is read, whatever its Content-Length says and however it is sent."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from palimpsest.contract.problems import Code
from service.errors import BodyTooLarge, Refusal, answer


class BodyLimit:
    """Refuses a declared size at once, and an undeclared one at the byte that exceeds the limit."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif _declared(scope) > self.limit:
            refusal = Refusal(Code.BODY_TOO_LARGE, BodyTooLarge(self.limit).detail)
            await answer(Request(scope), refusal)(scope, receive, send)
        else:
            await self.app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        total = 0

        async def counted() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > self.limit:
                raise BodyTooLarge(self.limit)
            return message

        return counted


def _declared(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "")
    return int(text[:20]) if text.isdecimal() else 0
