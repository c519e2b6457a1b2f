"""One suite for the store of users, in memory and in PostgreSQL; then what only the latter has."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chassis.errors import (
    InvalidInput,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from chassis.outbox import EventDispatcher
from tests.fakes.user_svc import FakeUserStore
from tests.integration import pgbouncer, service_database
from user_svc import domain, tokens
from user_svc.models import (
    Base,
    IdentityRow,
    OutboxEvent,
    OutboxLease,
    TokenRow,
    UsedTicketRow,
    UserRow,
)
from user_svc.store import UserStore

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOST = 30


class Database:
    """Users in PostgreSQL; each thread may have stores of its own."""

    def __init__(self, engine):
        self.engine = engine

    def store(self):
        session = Session(self.engine, expire_on_commit=False)
        dispatcher = EventDispatcher("user-events", OutboxEvent, OutboxLease)
        return UserStore(session, dispatcher.dispatch_for(session))

    def told(self):
        with self.engine.connect() as connection:
            rows = connection.execute(select(OutboxEvent.subject, OutboxEvent.data)).all()
        assert all(row.data == {} for row in rows)
        return [uuid.UUID(row.subject) for row in rows]

    def last_use(self, token):
        return self.one(select(TokenRow.last_used_at).where(TokenRow.token_hash == token.hash))

    def tokens(self):
        return self.one(select(func.count()).select_from(TokenRow))

    def one(self, statement):
        with self.engine.connect() as connection:
            return connection.scalar(statement)


class Memory:
    """Users in the fake."""

    def __init__(self):
        self._store = FakeUserStore()

    def store(self):
        return self._store

    def last_use(self, token):
        return self._store.tokens[token.hash].last_used_at

    def told(self):
        return self._store.told

    def tokens(self):
        return len(self._store.tokens)


@pytest.fixture(scope="module")
def engine(postgres):
    with service_database.migrated(postgres, "user_svc", "user_store") as engine:
        yield engine


@pytest.fixture
def database(engine):
    service_database.empty(engine, Base.metadata)
    return Database(engine)


@pytest.fixture
def pooled(database, postgres, server_folder):
    with pgbouncer.before(postgres, server_folder, database.engine) as engine:
        yield Database(engine)


@pytest.fixture(params=["memory", "database", pytest.param("pooled", marks=pytest.mark.long)])
def home(request):
    return Memory() if request.param == "memory" else request.getfixturevalue(request.param)


@pytest.fixture
def store(home):
    return home.store()


def person(login, subject=None, **fields):
    return domain.Identity("github", subject or f"id of {login}", login, **fields)


def a_token(now=NOW, days=30):
    return tokens.AccessToken.new(days, now)


# ---- the suite of both


def test_the_first_sign_in_makes_a_user(store):
    token = a_token()
    user = store.sign_in(person("bob", name="Bob 🙂", email="bob@example.com"), token)
    assert user == domain.User("bob", "Bob 🙂", "bob@example.com")
    assert store.get("bob") == user
    assert store.verify(token.hash, NOW) == tokens.Grant(
        "bob", token.expires_at, token.id, tokens.Kind.SESSION, tokens.ALL
    )


def test_a_renamed_login_is_the_same_person(store):
    store.sign_in(person("bob", "1", name="Bob"), a_token())
    user = store.sign_in(person("robert", "1", name="Robert", email="r@example.com"), a_token())
    assert user == domain.User("bob", "Robert", "r@example.com")
    assert store.get("bob") == user
    with pytest.raises(NotFound):
        store.get("robert")


def test_a_name_that_is_taken_gets_a_number(store):
    names = [store.sign_in(person(login, login), a_token()).username for login in ("bob", "BOB")]
    assert names == ["bob", "BOB-2"]
    assert store.sign_in(person("Bob", "3"), a_token()).username == "Bob-3"


def test_one_subject_at_two_providers_is_two_people(store):
    store.sign_in(domain.Identity("github", "1", "bob"), a_token())
    assert store.sign_in(domain.Identity("ghe", "1", "bob"), a_token()).username == "bob-2"


def test_a_user_is_found_in_whatever_case(store):
    store.sign_in(person("BoB"), a_token())
    assert store.get("bob").username == store.get("BOB").username == "BoB"


def test_nobody_is_not_found(store):
    with pytest.raises(NotFound) as refusal:
        store.get("nobody")
    assert (refusal.value.code, refusal.value.field) == ("no_such_user", "username")


def test_a_ticket_lets_in_once(store):
    first, second = a_token(), a_token()
    store.sign_in(person("bob"), first, b"t" * 32)
    with pytest.raises(InvalidInput) as refusal:
        store.sign_in(person("bob"), second, b"t" * 32)
    assert (refusal.value.code, refusal.value.field) == ("invalid_state", "state")
    with pytest.raises(Unauthenticated):
        store.verify(second.hash, NOW)
    store.sign_in(person("bob"), second, b"u" * 32)


def test_where_sign_up_is_closed_only_known_people_come_in(store):
    with pytest.raises(PermissionDenied) as refusal:
        store.sign_in(person("eve"), a_token(), newcomers=False)
    assert refusal.value.code == "sign_up_closed"
    store.sign_in(person("bob", "7"), a_token())
    assert store.sign_in(person("robert", "7"), a_token(), newcomers=False).username == "bob"
    with pytest.raises(NotFound):
        store.get("eve")


def test_each_sign_in_gives_another_token(store):
    first, second = a_token(), a_token()
    store.sign_in(person("bob"), first)
    store.sign_in(person("bob"), second)
    assert store.verify(first.hash, NOW).username == store.verify(second.hash, NOW).username


def test_an_unknown_token_is_denied(store):
    with pytest.raises(Unauthenticated, match="Access Denied!"):
        store.verify(a_token().hash, NOW)


def test_a_token_is_denied_from_its_expiry_on(store):
    token = a_token()
    store.sign_in(person("bob"), token)
    assert store.verify(token.hash, token.expires_at - timedelta(microseconds=1))
    with pytest.raises(Unauthenticated):
        store.verify(token.hash, token.expires_at)


def test_a_revoked_token_is_denied_and_no_other(store):
    gone, kept = a_token(), a_token()
    store.sign_in(person("bob"), gone)
    store.sign_in(person("bob"), kept)
    store.revoke(gone.hash)
    store.revoke(gone.hash)
    with pytest.raises(Unauthenticated):
        store.verify(gone.hash, NOW)
    assert store.verify(kept.hash, NOW)


def test_signing_in_clears_away_ones_own_expired_tokens(home, store):
    mine, others = a_token(days=1), a_token(days=1)
    store.sign_in(person("bob"), mine)
    store.sign_in(person("eve"), others)
    store.sign_in(person("bob"), a_token(now=NOW + timedelta(days=2)))
    assert home.tokens() == 2


def test_the_last_use_is_kept_by_the_hour(home, store):
    token = a_token()
    store.sign_in(person("bob"), token)
    assert home.last_use(token) == NOW
    store.verify(token.hash, NOW + HOUR - timedelta(seconds=1))
    assert home.last_use(token) == NOW
    store.verify(token.hash, NOW + HOUR)
    assert home.last_use(token) == NOW + HOUR


def program(name="ci", scopes=(tokens.Scope.READ,), now=NOW, days=30):
    return tokens.AccessToken.personal(name, scopes, now, now + timedelta(days=days))


def test_a_personal_token_speaks_for_its_maker_within_its_scopes(store):
    store.sign_in(person("bob"), a_token())
    token = program()
    store.add_token("bob", token, MOST)
    assert store.verify(token.hash, NOW) == tokens.Grant(
        "bob", token.expires_at, token.id, tokens.Kind.PERSONAL, (tokens.Scope.READ,)
    )


def test_a_stranger_has_no_tokens(store):
    with pytest.raises(NotFound):
        store.add_token("eve", program(), MOST)
    assert store.get_tokens("eve", NOW) == []


def test_tokens_are_listed_newest_first_without_the_expired(store):
    session = a_token()
    store.sign_in(person("bob"), session)
    store.sign_in(person("eve"), a_token())
    late = program("late", tokens.GRANTABLE, NOW + HOUR)
    store.add_token("bob", program("brief", days=1), MOST)
    store.add_token("bob", late, MOST)
    assert [kept.name for kept in store.get_tokens("bob", NOW)] == ["late", *sorted_names(store)]
    listed = store.get_tokens("bob", NOW + timedelta(days=2))
    assert [(kept.name, kept.id, kept.kind) for kept in listed] == [
        ("late", late.id, tokens.Kind.PERSONAL),
        ("", session.id, tokens.Kind.SESSION),
    ]
    assert listed[0].scopes == tokens.GRANTABLE
    assert (listed[0].created_at, listed[0].last_used_at) == (NOW + HOUR, NOW + HOUR)


def sorted_names(store):
    """Return the names of those that were made at the same moment: by id."""
    same = [kept for kept in store.get_tokens("bob", NOW) if kept.created_at == NOW]
    return [kept.name for kept in sorted(same, key=lambda kept: kept.id)]


def test_one_personal_token_too_many_is_refused_until_another_is_gone(store):
    store.sign_in(person("bob"), a_token(), most=2)
    store.add_token("bob", program("a"), 2)
    store.add_token("bob", program("b", days=1), 2)
    with pytest.raises(LimitExceeded) as refusal:
        store.add_token("bob", program("c"), 2)
    assert refusal.value.code == "too_many_tokens"
    later = program("d", now=NOW + timedelta(days=1))
    store.add_token("bob", later, 2)  # one has expired meanwhile
    assert {kept.name for kept in store.get_tokens("bob", NOW)} == {"", "a", "d"}


def test_one_session_too_many_ends_the_one_used_least_recently(store):
    old, used, new = a_token(NOW - 3 * HOUR), a_token(NOW - 5 * HOUR), a_token()
    store.sign_in(person("bob"), used, most=2)
    store.sign_in(person("bob"), old, most=2)
    store.add_token("bob", program(), 2)
    store.verify(used.hash, NOW - HOUR)
    store.sign_in(person("bob"), new, most=2)
    with pytest.raises(Unauthenticated):
        store.verify(old.hash, NOW)
    assert store.verify(used.hash, NOW)
    assert store.verify(new.hash, NOW)
    assert len(store.get_tokens("bob", NOW)) == 3


def test_a_token_is_deleted_by_its_owner_alone(store):
    store.sign_in(person("bob"), a_token())
    store.sign_in(person("eve"), a_token())
    token = program()
    store.add_token("bob", token, MOST)
    for name in ("eve", "nobody", "BOB"):
        with pytest.raises(NotFound) as refusal:
            store.delete_token(name, token.id)
        assert refusal.value.code == "no_such_token"
    assert store.delete_token("bob", token.id) is tokens.Kind.PERSONAL
    with pytest.raises(Unauthenticated):
        store.verify(token.hash, NOW)
    with pytest.raises(NotFound):
        store.delete_token("bob", token.id)


@pytest.mark.parametrize(
    ("kinds", "left"),
    [
        ((tokens.Kind.SESSION,), ["ci"]),
        ((tokens.Kind.PERSONAL,), ["", ""]),
        (tuple(tokens.Kind), []),
    ],
)
def test_all_tokens_of_a_kind_are_deleted_at_once(store, kinds, left):
    for login in ("bob", "bob", "eve"):
        store.sign_in(person(login), a_token())
    store.add_token("bob", program(), MOST)
    assert store.delete_tokens("bob", kinds) == 3 - len(left)
    assert [kept.name for kept in store.get_tokens("bob", NOW)] == left
    assert len(store.get_tokens("eve", NOW)) == 1


def test_a_person_sees_what_is_known_of_them(store):
    store.sign_in(person("bob", "1"), a_token())
    store.sign_in(person("robert", "1", name="Bob", email="b@x.org"), a_token(NOW + HOUR))
    user = domain.User("bob", "Bob", "b@x.org")
    assert store.profile("bob") == domain.Profile(user, NOW, (("github", "robert"),))
    with pytest.raises(NotFound):
        store.profile("robert")


def test_who_is_removed_is_nobody_at_once(home, store):
    session, personal = a_token(), program()
    store.sign_in(person("bob", name="Bob", email="b@x.org"), session)
    store.add_token("bob", personal, MOST)
    removal = store.remove("bob", NOW)
    for token in (session, personal):
        with pytest.raises(Unauthenticated):
            store.verify(token.hash, NOW)
    for ask in (store.get, store.profile, lambda name: store.remove(name, NOW)):
        with pytest.raises(NotFound):
            ask("bob")
    with pytest.raises(NotFound):
        store.add_token("bob", program(), MOST)
    assert home.told() == [removal]
    assert store.removal(removal) == domain.Removal(removal, "bob", NOW, domain.KEEPERS)


def test_the_name_is_free_when_everybody_has_confirmed(store):
    store.sign_in(person("bob"), a_token())
    removal = store.remove("bob", NOW)
    for service in domain.KEEPERS:
        for login, subject in (("bob", None), ("BOB", "another")):
            with pytest.raises(Unavailable) as refusal:
                store.sign_in(person(login, subject), a_token())
            assert refusal.value.code == "account_being_removed"
        assert service in store.removal(removal).left
        store.confirm(removal, service)
        store.confirm(removal, service)
    assert store.removal(removal) is None
    assert store.sign_in(person("bob"), a_token()) == domain.User("bob")
    store.confirm(removal, "news_svc")  # said late: it is not about the new one
    assert store.get("bob")


def test_a_removal_that_takes_long_is_told_again(home, store):
    store.sign_in(person("bob"), a_token())
    removal = store.remove("bob", NOW)
    soon, late = NOW + domain.TELL_AGAIN_AFTER - HOUR / 60, NOW + domain.TELL_AGAIN_AFTER
    assert [store.tell_again(moment) for moment in (soon, late, late)] == [0, 1, 0]
    assert home.told() == [removal] * 2


# ---- what only PostgreSQL has


def at_once(database, calls):
    """Run the calls side by side, each with a store of its own."""
    with ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(call, database.store()) for call in calls]
        return [each.result() for each in running]


def test_tickets_are_forgotten_when_no_browser_has_them(database):
    store = database.store()
    for minutes in range(0, 600, 10):
        when = NOW + timedelta(minutes=minutes)
        store.sign_in(person("bob"), a_token(now=when), minutes.to_bytes(32))
    assert database.one(select(func.count()).select_from(UsedTicketRow)) <= 7


def test_a_ticket_lets_in_once_among_many_at_once(database):
    def sign_in(store):
        try:
            return store.sign_in(person("bob"), a_token(), b"t" * 32).username
        except InvalidInput as refusal:
            return refusal.code

    outcomes = at_once(database, [sign_in] * 8)
    assert sorted(outcomes) == ["bob"] + ["invalid_state"] * 7


def test_people_of_one_login_who_come_at_once_get_a_name_each(database):
    calls = [
        lambda store, n=n: store.sign_in(person("bob", f"{n}"), a_token()).username
        for n in range(20)
    ]
    expected = {"bob"} | {f"bob-{n}" for n in range(2, 21)}
    assert set(at_once(database, calls)) == expected


def test_one_person_who_signs_in_many_times_at_once_is_one_user(database):
    tokens = [a_token() for _ in range(20)]
    calls = [lambda store, token=token: store.sign_in(person("bob"), token) for token in tokens]
    assert at_once(database, calls) == [domain.User("bob")] * 20
    assert database.one(select(func.count()).select_from(UserRow)) == 1
    assert database.one(select(func.count()).select_from(IdentityRow)) == 1
    assert {database.store().verify(token.hash, NOW).username for token in tokens} == {"bob"}


def test_many_who_make_tokens_at_once_stay_within_the_bound(database):
    database.store().sign_in(person("bob"), a_token())

    def make(store):
        try:
            store.add_token("bob", program(), 5)
        except LimitExceeded:
            return 0
        return 1

    assert sum(at_once(database, [make] * 20)) == 5


def test_whoever_signs_in_while_being_removed_is_one_or_the_other(database):
    """Either the session went with the rest, or there was none: never a token of nobody."""
    for round_ in range(10):
        login, session = f"bob{round_}", a_token()
        database.store().sign_in(person(login), a_token())

        def enter(store, login=login, session=session):
            with suppress(Unavailable):
                store.sign_in(person(login), session)

        at_once(database, [lambda store, login=login: store.remove(login, NOW), enter])
        with pytest.raises(Unauthenticated):
            database.store().verify(session.hash, NOW)
    assert database.tokens() == 0


def test_nothing_is_left_of_whoever_was_removed_but_the_name_and_then_not_even_that(database):
    store = database.store()
    store.sign_in(person("bobby", "87654321", name="Bob", email="b@x.org"), a_token())
    store.add_token("bobby", program("secret plans"), MOST)
    removal = store.remove("bobby", NOW)
    words = ["87654321", "Bob", "b@x.org", "secret plans"]
    assert not [word for word in words if word in everything(database)]
    for service in domain.KEEPERS:
        store.confirm(removal, service)
    assert "bobby" not in everything(database)


def everything(database):
    """Return all rows of all tables, as text."""
    with database.engine.connect() as connection:
        tables = [f"SELECT {name}::text FROM {name}" for name in Base.metadata.tables]
        return "\n".join(connection.scalars(text(" UNION ALL ".join(tables))))


def test_verifying_is_one_statement(database):
    store, token = database.store(), a_token()
    store.sign_in(person("bob"), token)
    statements = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    store.verify(token.hash, NOW)
    assert [statement.split()[0] for statement in statements] == ["SELECT"]


def test_verifying_uses_the_indexes(database):
    plan = (
        "EXPLAIN SELECT * FROM access_tokens JOIN users ON users.id = user_id"
        " WHERE token_hash = '\\x00' AND expires_at > now()"
    )
    with database.engine.connect() as connection:
        connection.execute(text("SET enable_seqscan = off"))
        told = "\n".join(connection.scalars(text(plan)))
    assert "access_tokens_pkey" in told
    assert "users_pkey" in told


@pytest.mark.parametrize("wrong", [{"username": "-"}, {"username": "a b"}, {"username": "BOB"}])
def test_the_database_repeats_the_rules(database, wrong):
    database.store().sign_in(person("bob"), a_token())
    row = {"name": "", "email": "", "created_at": NOW, **wrong}
    with database.engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(UserRow).values(**row))


def test_the_secret_is_not_kept(database):
    token = a_token()
    database.store().sign_in(person("bob"), token)
    kept = database.one(text("SELECT string_agg(access_tokens::text, ' ') FROM access_tokens"))
    assert token.secret not in kept
    assert token.secret.encode().hex() not in kept
