"""The durable record: what was asked, what is being done, what came out.

SQL is the truth and the broker only a doorbell. Gateway, sweeper and workers all write here, and nothing but this
package speaks SQL.

``database``    engines, transactions, the database's clock      ``schema``      the tables
``audits``      accept, look up, list, cancel, expire            ``intake``      accept many at once
``stages``      which units wait for which                       ``units``       claim, renew, finish, fail
``turns``       whose unit is claimed next                       ``moves``       how a held unit moves on
``outbox``      messages still to be published                   ``events``      what happened to an audit, in order
``evidence``    blobs by content digest                          ``blobs``       where they lie: a folder or a bucket
``holdings``    which audit holds which blob                     ``collection``  removing what nobody holds
``retention``   how long evidence is kept                        ``backup``      a copy of everything, and back again
``catalogue``   what workers offer                               ``workers``     which of them are there
``waiting``     what an audit waits for                          ``gauges``      what an operator watches
``keys``        who may ask, by API key                          ``accesses``    who did what, in a chain of hashes
``lookout``     how far audits are, for an event loop            ``places``      where everything is
``errors``      why the ledger refuses                           ``cli``         ``palimpsest-ledger``
"""
