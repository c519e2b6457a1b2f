"""Two roles for each database: one owns the tables, the other reads and writes their rows.

``k8s/servers/postgres/database.psql`` makes the same on other servers; a test compares them.
"""

from dataclasses import dataclass

from psycopg2 import sql


@dataclass(frozen=True)
class Database:
    """A database, its service's role, and the role that owns its tables and migrates them."""

    name: str
    service: str
    owner: str

    @classmethod
    def of(cls, service: str, name: str = "") -> "Database":
        """Return the database of a service, with the roles that the service has by default."""
        return cls(name or service, service, f"{service}_owner")

    def sql(self, template: str, **values: str) -> sql.Composed:
        """Return statements about this database."""
        names = {**vars(self), **values}
        return sql.SQL(template).format(**{k: sql.Identifier(v) for k, v in names.items()})


CREATE = "CREATE DATABASE {name} OWNER {owner} TEMPLATE template0"

# In a database of another owner: once, the service owned its tables, as data of then still say.
TAKE_OVER = "ALTER DATABASE {name} OWNER TO {owner}; REASSIGN OWNED BY {former} TO {owner}"

# In the database; may be repeated. Before PostgreSQL 15 everyone could make tables in `public`.
PRIVILEGES = """
    REVOKE ALL ON DATABASE {name} FROM PUBLIC;
    GRANT CONNECT ON DATABASE {name} TO {service};
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    GRANT USAGE, CREATE ON SCHEMA public TO {owner};
    ALTER DEFAULT PRIVILEGES FOR ROLE {owner}
        GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {service};
    ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT USAGE ON SEQUENCES TO {service};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {service};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {service};
"""
