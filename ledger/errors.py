"""Why the ledger refuses.

* LedgerError
  x NotFound            no such audit for this tenant
  x AlreadyTerminal     the audit has ended and cannot be cancelled
  x KeyReused           the idempotency key was used for another request
  x StaleFence          the lease passed to somebody else: this write is too late
  x EvidenceCorrupt     a blob does not have the digest it is kept under
  x EvidenceMissing     a blob that is recorded is not in the store
  x BackupRefused       a backup cannot be written or brought back as asked
  x KeyNotFound         no such API key for this tenant
  x AccessLogBroken     a row of the access log is missing or is not what was written
  x SchemaOutOfDate     the database has not been upgraded to this code's schema
"""


class LedgerError(Exception):
    """The ledger's tree."""


class NotFound(LedgerError):
    """No such audit for this tenant."""


class AlreadyTerminal(LedgerError):
    """The audit has ended."""


class KeyReused(LedgerError):
    """The idempotency key belongs to a different request."""


class StaleFence(LedgerError):
    """The unit is no longer leased under this fence; nothing was written."""


class EvidenceCorrupt(LedgerError):
    """The blob's bytes do not have the digest they are kept under."""


class EvidenceMissing(LedgerError):
    """The blob is recorded but not in the store."""


class BackupRefused(LedgerError):
    """The folder, the database or the database's own tool does not allow it."""


class KeyNotFound(LedgerError):
    """No such API key for this tenant."""


class AccessLogBroken(LedgerError):
    """A row of the access log is missing, was changed, or was written by somebody else than the ledger."""


class SchemaOutOfDate(LedgerError):
    """Run ``palimpsest-ledger upgrade``."""
