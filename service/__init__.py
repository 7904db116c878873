"""The gateway and the sweeper: accept, remember, hand over, answer. Never loads torch.

``app``        the composition root             ``routes``         HTTP in, a use case, HTTP out
``intake``     submit, or only check            ``admission``      can it be done here?
``audits``     look up, list, cancel, report    ``standings``      where audits stand, for every poll
``tailer``     the one reader of events         ``streams``        what each who follows is told
``desk``       what requests do together        ``together``       one question for many who ask
``reading``    a body becomes a request         ``lines``          log lines, written together
``images``     decoded, kept, referred to       ``offer``          what workers have published
``malformed``  what is no request at all        ``errors``         why and how it is refused
``callers``    who is asking, and may they?      ``keyring``       which keys are good
``keys``       issue, list, revoke them          ``init``          ``python -m service.init``: the first key
``exposure``   never open to others without      ``identity``      the form of ids
``recorded``   who has read which evidence
``dispatch``   the doorbell                     ``sweeper``        makes good what was lost
``up``         all of it on one machine         ``observability``  a line, a count and a span per request
``meters``     what GET /metrics says           ``alive``          the container's health check
"""
