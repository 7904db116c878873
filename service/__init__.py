"""The gateway and the sweeper: accept, remember, hand over, answer. Never loads torch.

``app``        the composition root             ``routes``         HTTP in, a use case, HTTP out
``audits``     submit, look up, list, cancel    ``admission``      can it be done here?
``images``     decoded, kept, referred to       ``offer``          what workers have published
``malformed``  what is no request at all        ``errors``         why and how it is refused
``dispatch``   the doorbell                     ``sweeper``        makes good what was lost
``up``         all of it on one machine         ``observability``  a line, a count and a span per request
``meters``     what GET /metrics says           ``alive``          the container's health check
"""
