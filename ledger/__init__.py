"""The durable record: what was asked, what is being done, what came out.

SQL is the truth and the broker only a doorbell. Gateway, sweeper and workers all write here, and nothing but this
package speaks SQL.

``database``   engines, transactions, the database's clock     ``schema``     the tables
``audits``     accept, look up, list, cancel, expire           ``units``      claim, renew, finish, fail
``stages``     which units wait for which                      ``outbox``     messages still to be published
``events``     what happened to an audit, in order             ``evidence``   blobs by content digest
``catalogue``  what workers offer                              ``errors``     why the ledger refuses
"""
