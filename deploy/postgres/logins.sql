-- Makes the two roles of roles.sql where they are missing, with the passwords in WORKER_PASSWORD and GATEWAY_PASSWORD. By a
-- role that may make others, before roles.sql; again sets the passwords anew.

\set ON_ERROR_STOP on
\getenv worker_password WORKER_PASSWORD
\getenv gateway_password GATEWAY_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
  FROM (VALUES (:'worker'), (:'gateway')) AS wanted (name)
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE :"worker" PASSWORD :'worker_password';
ALTER ROLE :"gateway" PASSWORD :'gateway_password';
