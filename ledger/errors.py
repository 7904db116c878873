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
  x QuotaExceeded       the tenant has as much open as it may have
  x WebhookNotFound     no such webhook for this tenant
  x DeliveryNotFound    the webhook was never told this
  x ImageNotFound       no such uploaded image for this tenant
  x ImageInUse          an uploaded target set names the image
  x TargetSetNotFound   no such uploaded target set for this tenant
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


class QuotaExceeded(LedgerError):
    """The tenant has as much open as it may have: ``quota`` is which, of ``most``; ``passes``: there may be room later.

    There never is for what is more than the quota alone, nor where nothing comes to an end by itself.
    """

    def __init__(self, quota: str, most: int, *, open_now: int, asked: int, ends: bool = True) -> None:
        super().__init__(f"{quota}: {open_now} of {most} are taken and {asked} more are asked for")
        self.quota, self.most, self.left = quota, most, max(0, most - open_now)
        self.passes = ends and asked <= most


class WebhookNotFound(LedgerError):
    """No such webhook for this tenant."""


class DeliveryNotFound(LedgerError):
    """No such delivery of this webhook."""


class ImageNotFound(LedgerError):
    """No such uploaded image for this tenant."""


class ImageInUse(LedgerError):
    """An uploaded target set names the image, which stays as long as the set does."""


class TargetSetNotFound(LedgerError):
    """No such uploaded target set for this tenant."""


class AccessLogBroken(LedgerError):
    """A row of the access log is missing, was changed, or was written by somebody else than the ledger."""


class SchemaOutOfDate(LedgerError):
    """Run ``palimpsest-ledger upgrade``."""
