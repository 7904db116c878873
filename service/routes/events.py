"""GET /v1/audits/{id}/events: what happened to an audit, as a list or as a stream of server-sent events."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from ledger.events import News, Position
from palimpsest.contract.problems import Code
from palimpsest.contract.status import TERMINAL, EventList
from service import frames
from service.callers import READS, MayRead
from service.desk import TheDesk
from service.identity import checked
from service.routes.audits import AuditId, told
from service.routes.documented import ALWAYS, NOTHING_FOLLOWS, TOLD, problems
from service.streams import EventStream, Following, begins_after

router = APIRouter(tags=["audits"])

MOST = 2**31 - 1 - 1000
After = Annotated[int, Query(ge=0, le=MOST, description="the number behind which to begin")]
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", pattern=r"^[0-9]{1,9}$", description="the same for a stream; it goes first"),
]


@router.get(
    "/v1/audits/{audit_id}/events",
    response_model=EventList,
    responses={
        **problems(*ALWAYS, Code.MALFORMED_REQUEST, Code.AUDIT_NOT_FOUND, Code.TOO_MANY_STREAMS),
        200: TOLD,
        204: NOTHING_FOLLOWS,
    },
)
async def list_events(
    http: Request,
    audit_id: AuditId,
    desk: TheDesk,
    caller: MayRead,
    after: After = 0,
    last_event_id: LastEventId = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """What happened to an audit; with ``Accept: text/event-stream``, as it happens."""
    seq = after if last_event_id is None else int(last_event_id)
    news = await desk.tailer.history(Position(caller.tenant, checked(audit_id), seq))
    if "text/event-stream" not in accept.lower():
        return told(listed(news, seq), headers={"Cache-Control": "private, no-cache", "Vary": "Accept"})
    if last_event_id is not None and news.mark.state in TERMINAL and news.mark.last_seq == seq:
        return Response(status_code=204)
    follower = desk.tailer.follow(caller.tenant, audit_id, news.mark)
    following = Following(desk.standings, desk.tailer, follower, seq, may=partial(READS.still, http))
    return EventStream(desk.tailer, follower, following.chunks(news))


def listed(news: News, seq: int) -> EventList:
    """A page of events behind ``seq``. Where some of them are gone none is told: the status says what they came to."""
    whole = begins_after(news, seq)
    last = (news.events[-1].seq if news.events else seq) if whole else news.mark.last_seq
    return EventList(
        data=[frames.message(event) for event in news.events] if whole else [],
        last=last,
        ended=news.mark.state in TERMINAL and last >= news.mark.last_seq,
        reset=not whole,
    )
