r"""As much of psql as ``databases.sql`` uses: variables, \getenv, \ir and \connect."""

import re
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql


class Psql:
    """Run files as psql does, each statement by itself, over connections that go by database."""

    def __init__(self, uri: str, environment: dict[str, str]) -> None:
        self.environment = environment
        self.variables: dict[str, str] = {}
        self.uri = uri
        self.connection: Any = None
        self.connect(psycopg2.extensions.parse_dsn(uri)["dbname"])

    def connect(self, database: str) -> None:
        self.close()
        self.connection = psycopg2.connect(self.uri, dbname=database)
        self.connection.autocommit = True

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()

    def run(self, path: Path) -> None:
        statement = ""
        for line in path.read_text().splitlines():
            if line.startswith("\\"):
                self._command(path, *line[1:].split())
            elif not line.startswith("--"):
                statement += f"{line}\n"
                if line.endswith(";"):
                    self._execute(self._fill(statement))
                    statement = ""
        assert not statement.strip()

    def _command(self, path: Path, command: str, *words: str) -> None:
        if command == "set":
            self.variables[words[0]] = "".join(self._fill(word) for word in words[1:])
        elif command == "getenv":
            self.variables[words[0]] = self.environment[words[1]]
        elif command == "ir":
            self.run(path.with_name(words[0]))
        elif command == "connect":
            self.connect(self.variables[words[0].strip(':"')])
        else:
            raise NotImplementedError(command)

    def _fill(self, text: str) -> str:
        kinds = {'"': sql.Identifier, "'": sql.Literal}

        def value(found: re.Match[str]) -> str:
            quote, name = found[1], found[2]
            plain = self.variables[name]
            return kinds[quote](plain).as_string(self.connection) if quote else plain

        return re.sub(r"""(?<!:):(["']?)(\w+)\1""", value, text)

    def _execute(self, statement: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
