"""psycopg 3: text and binary both ways, statements prepared on the server, transactions, COPY, errors. The upstream, asked the same way, is the oracle."""

import datetime
import decimal
import uuid

import psycopg
from psycopg import pq, sql
from psycopg.types.json import Jsonb

from checking import MILLRACE_PORT, UPSTREAM, check, equal

MILLRACE = f"postgres://millrace@127.0.0.1:{MILLRACE_PORT}/millrace"

# A new connection for each check: what one leaves behind fails no other.
def connect(**options):
    return psycopg.connect(MILLRACE, autocommit=True, connect_timeout=10, **options)


def raw(connection, query, binary, parameters=None):
    """Fields as bytes, and the types: nothing of the driver's own reading."""
    cursor = connection.execute(query, parameters, binary=binary)
    result = cursor.pgresult
    assert result.status == pq.ExecStatus.TUPLES_OK
    types = [(result.fname(c), result.ftype(c), result.fsize(c), result.fmod(c), result.fformat(c)) for c in range(result.nfields)]
    return types, [[result.get_value(r, c) for c in range(result.nfields)] for r in range(result.ntuples)]


with psycopg.connect(UPSTREAM) as upstream:
    columns = [name for (name,) in upstream.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'kinds'::regclass AND attnum > 0 ORDER BY attnum")]

for column in columns:
    for binary in (False, True):

        @check(f"{column} in {'binary' if binary else 'text'}, as the upstream sends it")
        def _(column=column, binary=binary):
            query = sql.SQL("SELECT {} FROM kinds ORDER BY id").format(sql.Identifier(column))
            with psycopg.connect(UPSTREAM, options="-c timezone=UTC") as there, connect() as here:
                types, rows = raw(here, query, binary)
                wanted_types, wanted = raw(there, query, binary)
                # A type made by the user, and an array in which its OID stands, have an OID of their own here.
                own = wanted_types[0][1] >= 16384
                equal(types[0][:1] + types[0][2 if own else 1:], wanted_types[0][:1] + wanted_types[0][2 if own else 1:])
                if own and binary and column in ("moods",):
                    rows = [[value and value[:8] + value[12:]] for (value,) in rows]
                    wanted = [[value and value[:8] + value[12:]] for (value,) in wanted]
                equal(rows, wanted)


@check("constants of every kind in binary")
def _():
    query = "SELECT 1, 2.5, 'x'::text, true, now() IS NOT NULL, ARRAY[1, 2], '{\"a\": 1}'::jsonb"
    with connect() as here:
        equal(here.execute(query, binary=True).fetchall(), [(1, decimal.Decimal("2.5"), "x", True, True, [1, 2], {"a": 1})])


VALUES = [
    ("an_int4", 123456), ("an_int8", 9007199254740993), ("a_numeric", decimal.Decimal("12345.6789")), ("a_bool", True), ("a_float8", -2.25e100),
    ("a_text", "héllo ✓"), ("a_uuid", uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")), ("a_date", datetime.date(2024, 2, 29)),
    ("a_timestamp", datetime.datetime(2024, 2, 29, 13, 14, 15, 500000)), ("a_bytea", b"\x00\xff\x10"),
    ("a_timestamptz", datetime.datetime(2024, 2, 29, 11, 14, 15, 500000, tzinfo=datetime.timezone.utc)), ("a_time", datetime.time(13, 14, 15, 123456)),
    ("a_jsonb", Jsonb({"b": None, "a": 1.5})), ("an_interval", datetime.timedelta(days=365 + 63, seconds=4 * 3600 + 306, milliseconds=700)),
]
for column, value in VALUES:
    for placeholder in ("%t", "%b"):

        @check(f"a parameter for {column} in {'text' if placeholder == '%t' else 'binary'}")
        def _(column=column, value=value, placeholder=placeholder):
            query = sql.SQL("SELECT id FROM kinds WHERE {} = " + placeholder).format(sql.Identifier(column))
            with psycopg.connect(UPSTREAM, options="-c timezone=UTC") as there, connect() as here:
                equal(here.execute(query, [value]).fetchall(), there.execute(query, [value]).fetchall())


@check("= ANY of a list, text and binary")
def _():
    with connect() as here:
        for placeholder in ("%s", "%t", "%b"):
            equal(here.execute(f"SELECT n FROM numbers WHERE n = ANY({placeholder}) ORDER BY n", [[3, 1, 2500]]).fetchall(), [(1,), (3,), (2500,)])


@check("a statement is prepared on the server, and runs many times")
def _():
    with connect(prepare_threshold=2) as here:
        for n in range(1, 12):
            equal(here.execute("SELECT word FROM numbers WHERE n = %s", [n], binary=n % 2 == 0).fetchall(), [(f"word {n}",)])
        here.execute("SELECT n FROM numbers WHERE n = 1", prepare=True)
        here.execute("DEALLOCATE ALL")


@check("statements in a pipeline")
def _():
    with connect() as here, here.pipeline():
        cursors = [here.execute("SELECT word FROM numbers WHERE n = %s", [n]) for n in range(1, 20)]
        equal([cursor.fetchone() for cursor in cursors], [(f"word {n}",) for n in range(1, 20)])


@check("a transaction: commit, roll back, an error inside")
def _():
    with psycopg.connect(MILLRACE) as here:
        with here.transaction():
            equal(here.execute("SELECT count(*) FROM numbers").fetchone(), (2500,))
        here.rollback()
        try:
            here.execute("SELECT 1 / (n - n) FROM numbers")
            raise AssertionError("no error")
        except psycopg.errors.DivisionByZero:
            pass
        equal(here.info.transaction_status, pq.TransactionStatus.INERROR)
        try:
            here.execute("SELECT 1")
            raise AssertionError("no error")
        except psycopg.errors.InFailedSqlTransaction:
            pass
        here.rollback()
        equal(here.execute("SELECT 1").fetchone(), (1,))


@check("a transaction read only, repeatable read")
def _():
    with psycopg.connect(MILLRACE) as here:
        here.read_only = True
        here.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        equal(here.execute("SELECT count(*) FROM numbers").fetchone(), (2500,))


@check("a transaction in a transaction (SAVEPOINT)")
def _():
    with connect() as here:
        with here.transaction():
            equal(here.execute("SELECT 1").fetchone(), (1,))
            try:
                with here.transaction():
                    here.execute("SELECT 1 / 0")
            except psycopg.errors.DivisionByZero:
                pass
            equal(here.execute("SELECT 2").fetchone(), (2,))


@check("a named cursor (DECLARE, FETCH, MOVE)")
def _():
    with psycopg.connect(MILLRACE) as here:
        with here.cursor("walk") as cursor:
            cursor.execute("SELECT n FROM numbers ORDER BY n")
            equal(cursor.fetchmany(3), [(1,), (2,), (3,)])
            cursor.itersize = 1000
            equal(sum(1 for _ in cursor), 2497)
        with here.cursor("binary", binary=True) as cursor:
            cursor.execute("SELECT n, half FROM numbers WHERE n < %s ORDER BY n", [3])
            equal(cursor.fetchall(), [(1, decimal.Decimal("0.50000000000000000000")), (2, decimal.Decimal("1.00000000000000000000"))])


@check("rows as they come (cursor.stream)")
def _():
    with connect() as here:
        equal(sum(1 for _ in here.cursor().stream("SELECT * FROM numbers")), 2500)


@check("COPY (SELECT …) TO STDOUT")
def _():
    with connect() as here, here.cursor() as cursor:
        with cursor.copy("COPY (SELECT n, word FROM numbers WHERE n <= 3 ORDER BY n) TO STDOUT") as copy:
            equal(list(copy.rows()), [("1", "word 1"), ("2", "word 2"), ("3", "word 3")])


@check("COPY (SUBSCRIBE …) TO STDOUT follows the upstream, and ends by a cancel")
def _():
    with connect() as here, psycopg.connect(UPSTREAM, autocommit=True) as there, here.cursor() as cursor:
        try:
            with cursor.copy("COPY (SUBSCRIBE changing) TO STDOUT") as copy:
                rows = copy.rows()
                equal(next(rows)[1:], ("1", "1", "first"))
                there.execute("UPDATE changing SET label = 'second' WHERE id = 1")
                changes = sorted((next(rows)[1:], next(rows)[1:]))
                equal(changes, [("-1", "1", "first"), ("1", "1", "second")])
                here.cancel()
                for row in rows:
                    raise AssertionError(f"unasked: {row}")
            raise AssertionError("not cancelled")
        except psycopg.errors.QueryCanceled:
            pass
        there.execute("UPDATE changing SET label = 'first' WHERE id = 1")
        equal(here.execute("SELECT 1").fetchone(), (1,))


@check("SUBSCRIBE as rows, in text and in binary")
def _():
    for binary in (False, True):
        with connect() as here:
            rows = here.cursor().stream("SUBSCRIBE (SELECT digit, numbers, halves FROM sums WHERE digit = 3)", binary=binary)
            timestamp, diff, *rest = next(rows)
            assert abs(float(timestamp) / 1000 - datetime.datetime.now().timestamp()) < 3600, timestamp
            equal((diff, *rest[:2]), (1, 3, 250))
            here.cancel()
            try:
                for row in rows:
                    raise AssertionError(f"unasked: {row}")
            except psycopg.errors.QueryCanceled:
                pass


ERRORS = [
    ("SELECT * FROM nowhere", "42P01"), ("SELECT nothing FROM numbers", "42703"), ("SELEC 1", "42601"), ("SELECT nofunction(1)", "42883"),
    ("SELECT 1 / (n - 1) FROM numbers", "22012"), ("SELECT word::int FROM numbers", "22P02"), ("INSERT INTO numbers VALUES (1)", "25006"),
    ("SELECT 1 +", "42601"),
]
for query, sqlstate in ERRORS:

    @check(f"{query}: {sqlstate}")
    def _(query=query, sqlstate=sqlstate):
        with connect() as here:
            for parameters in (None, []):
                try:
                    here.execute(query, parameters, prepare=parameters is not None)
                except psycopg.Error as error:
                    equal(error.sqlstate, sqlstate)
                    assert error.diag.message_primary and error.diag.severity == "ERROR"
                else:
                    raise AssertionError("no error")


@check("an error points at its place")
def _():
    with connect() as here:
        try:
            here.execute("SELECT n, nothing FROM numbers")
        except psycopg.Error as error:
            equal(error.diag.statement_position, "11")


@check("a statement past its timeout, and a cancelled one: 57014")
def _():
    with connect() as here:
        here.execute("SET statement_timeout = '300ms'")
        try:
            here.execute("SELECT count(*) FROM numbers a, numbers b WHERE a.word || b.word || a.word || b.word || a.word || b.word || a.word || b.word LIKE '%none%'")
            raise AssertionError("no error")
        except psycopg.errors.QueryCanceled:
            pass


@check("types known by their names (TypeInfo, EnumInfo)")
def _():
    import enum
    from psycopg.types.enum import EnumInfo, register_enum

    class Mood(enum.Enum):
        sad = 1
        ok = 2
        happy = 3

    with connect() as here:
        info = EnumInfo.fetch(here, "mood")
        equal(list(info.labels), ["sad", "ok", "happy"])
        register_enum(info, here, Mood)
        for binary in (False, True):
            equal(here.execute("SELECT an_enum FROM kinds WHERE an_enum = %s", [Mood.happy], binary=binary).fetchall(), [(Mood.happy,)])
