-- The three databases, for a new PostgreSQL server (psql 15 or later). The passwords come from the
-- environment. Run by the container's first start; for a managed server, see docs/kubernetes.md.
\set name link_svc
\getenv password LINK_DB_PASSWORD
\getenv owner_password LINK_DB_OWNER_PASSWORD
\ir database.psql

\set name social_graph_svc
\getenv password SOCIAL_GRAPH_DB_PASSWORD
\getenv owner_password SOCIAL_GRAPH_DB_OWNER_PASSWORD
\ir database.psql

\set name user_svc
\getenv password USER_DB_PASSWORD
\getenv owner_password USER_DB_OWNER_PASSWORD
\ir database.psql
