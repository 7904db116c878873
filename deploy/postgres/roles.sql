-- Who may do what in the ledger. By its owner, after every `palimpsest-ledger upgrade`; again is the same as once:
--
--     psql -v worker=palimpsest_worker -v gateway=palimpsest_gateway -f deploy/postgres/roles.sql "$DATABASE"
--
-- Both roles are there already (logins.sql), own nothing and belong to nothing. What is not granted here is not allowed, so
-- that a table of a later release is closed until a line here opens it.
--
-- A worker runs models of unknown origin: it can do its units and nothing else. It sees no API key, no log of accesses, no
-- idempotency key and no list of what was uploaded; of signing it can only say that its audit's report is to be signed, of
-- webhooks and their secrets only that its audit has ended. Gateway and sweeper can issue and revoke keys but not change what
-- one opens, and can add to the log of accesses but not change it. Only the owner can, who is used for upgrades and backups.

\set ON_ERROR_STOP on
BEGIN;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM :"worker", :"gateway";
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM :"worker", :"gateway";
GRANT USAGE ON SCHEMA public TO :"worker", :"gateway";
GRANT USAGE ON SEQUENCE outbox_id_seq TO :"worker", :"gateway";
GRANT SELECT ON alembic_version TO :"worker", :"gateway";

GRANT SELECT, INSERT, UPDATE ON
  audits, stages, stage_edges, units, outbox, events, evidence, condemned, models, methods, workers
  TO :"worker", :"gateway";
GRANT DELETE ON outbox, evidence, condemned, workers TO :"worker", :"gateway";

GRANT INSERT ON unrendered, endings TO :"worker";
GRANT SELECT, INSERT, UPDATE, DELETE ON unrendered, endings, webhooks, deliveries, quotas TO :"gateway";
GRANT SELECT, INSERT ON signing_keys TO :"gateway";

GRANT SELECT, INSERT, UPDATE, DELETE ON images TO :"gateway";
GRANT SELECT, INSERT, DELETE ON target_sets, target_set_images TO :"gateway";

GRANT SELECT, INSERT, UPDATE ON idempotency TO :"gateway";
GRANT SELECT, INSERT ON api_keys, accesses TO :"gateway";
GRANT UPDATE (revoked_at, last_used_at) ON api_keys TO :"gateway";

COMMIT;
