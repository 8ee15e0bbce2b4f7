"""asyncpg: binary both ways, its own introspection of types, prepared statements, cursors. The upstream, asked the same way, is the oracle."""

import asyncio
import traceback

import asyncpg

from checking import MILLRACE_PORT, UPSTREAM, equal, report

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


async def connect():
    return await asyncpg.connect(host="127.0.0.1", port=MILLRACE_PORT, user="millrace", database="millrace", timeout=10, command_timeout=20)


async def answer(connection, query):
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    except (ValueError, OverflowError) as error:
        # A value that Python's own type cannot hold: the same on both sides.
        return repr(error)


async def column(name):
    query = f"SELECT {name} FROM kinds ORDER BY id"
    there = await asyncpg.connect(UPSTREAM, server_settings={"timezone": "UTC"})
    here = await connect()
    try:
        equal(await answer(here, query), await answer(there, query))
    finally:
        await here.close()
        await there.close()


@check
async def a_parameter_of_each_type(here):
    """Each value of the first row finds its row, or what it finds upstream."""
    there = await asyncpg.connect(UPSTREAM, server_settings={"timezone": "UTC"})
    row = await there.fetchrow("SELECT * FROM kinds WHERE id = 1")
    failed = []

    async def found(connection, name, value):
        try:
            return [r["id"] for r in await connection.fetch(f"SELECT id FROM kinds WHERE {name} = $1", value)]
        except asyncpg.PostgresError as error:
            return error.sqlstate
        except asyncpg.InterfaceError as error:
            return type(error).__name__

    for name, value in row.items():
        seen, wanted = await found(here, name, value), await found(there, name, value)
        if seen != wanted:
            failed.append(f"{name}: {seen}, not {wanted}")
    await there.close()
    equal(failed, [])


@check
async def a_prepared_statement_and_its_attributes(here):
    statement = await here.prepare("SELECT n, half, word FROM numbers WHERE n = $1 AND word <> $2")
    equal([t.name for t in statement.get_parameters()], ["int4", "text"])
    equal([(a.name, a.type.name) for a in statement.get_attributes()], [("n", "int4"), ("half", "numeric"), ("word", "text")])
    for n in range(1, 12):
        equal(await statement.fetchval(n, "", column=2), f"word {n}")


@check
async def many_times_the_same_query(here):
    for n in range(1, 12):
        equal(await here.fetchval("SELECT word FROM numbers WHERE n = $1", n), f"word {n}")


@check
async def an_array_parameter(here):
    equal([r[0] for r in await here.fetch("SELECT n FROM numbers WHERE n = ANY($1::int[]) ORDER BY n", [3, 1, 2500])], [1, 3, 2500])


@check
async def a_cursor_in_a_transaction(here):
    async with here.transaction(readonly=True, isolation="repeatable_read"):
        equal([r[0] async for r in here.cursor("SELECT n FROM numbers ORDER BY n", prefetch=100)], list(range(1, 2501)))
        cursor = await here.cursor("SELECT n FROM numbers WHERE n > $1 ORDER BY n", 10)
        equal([r[0] for r in await cursor.fetch(2)], [11, 12])
        equal((await cursor.fetchrow())[0], 13)


@check
async def a_transaction_in_a_transaction(here):
    async with here.transaction():
        try:
            async with here.transaction():
                await here.fetch("SELECT 1 / 0")
        except asyncpg.DivisionByZeroError:
            pass
        equal(await here.fetchval("SELECT 2"), 2)


@check
async def errors_have_their_classes(here):
    for query, wanted in (
        ("SELECT * FROM nowhere", asyncpg.UndefinedTableError),
        ("SELEC 1", asyncpg.PostgresSyntaxError),
        ("SELECT 1 / (n - 1) FROM numbers", asyncpg.DivisionByZeroError),
        ("DELETE FROM numbers", asyncpg.ReadOnlySQLTransactionError),
    ):
        try:
            await here.fetch(query)
        except wanted:
            continue
        raise AssertionError(f"{query}: no error")


@check
async def a_query_is_cancelled(here):
    try:
        await here.fetch("SELECT count(*) FROM numbers a, numbers b WHERE a.word || b.word || a.word || b.word || a.word || b.word || a.word || b.word LIKE '%none%'", timeout=0.5)
        raise AssertionError("no error")
    except asyncio.TimeoutError:
        pass
    equal(await here.fetchval("SELECT 1"), 1)


@check
async def copy_from_query(here):
    lines = []

    async def write(data):
        lines.append(data)

    await here.copy_from_query("SELECT n, word FROM numbers WHERE n <= 2 ORDER BY n", output=write)
    equal(b"".join(lines), b"1\tword 1\n2\tword 2\n")


@check
async def a_pool_resets_its_connections(here):
    pool = await asyncpg.create_pool(host="127.0.0.1", port=MILLRACE_PORT, user="millrace", database="millrace", min_size=1, max_size=2)
    async with pool:
        for n in range(1, 5):
            async with pool.acquire() as connection:
                await connection.execute("SET application_name = 'mine'")
                equal(await connection.fetchval("SELECT word FROM numbers WHERE n = $1", n), f"word {n}")
        async with pool.acquire() as connection:
            equal(await connection.fetchval("SHOW application_name"), "")


@check
async def types_are_introspected(here):
    await here.reload_schema_state()
    equal(await here.fetchval("SELECT an_enum FROM kinds WHERE id = 1"), "happy")
    equal(tuple(await here.fetchval("SELECT a_pair FROM kinds WHERE id = 1")), (1, 'a "b", c'))
    equal(await here.fetchval("SELECT moods FROM kinds WHERE id = 1"), ["sad", "happy"])


@check
async def status_relations(here):
    equal([r["name"] for r in await here.fetch("SELECT name FROM millrace.views WHERE rows > $1", 0)], ["sums"])


async def outcome(name, work):
    try:
        await asyncio.wait_for(work, 30)
        report(name)
    except Exception:
        report(name, traceback.format_exc(limit=-3))


async def main():
    there = await asyncpg.connect(UPSTREAM)
    names = await there.fetch("SELECT attname FROM pg_attribute WHERE attrelid = 'kinds'::regclass AND attnum > 0 ORDER BY attnum")
    await there.close()
    for (name,) in names:
        await outcome(f"{name}, as the upstream sends it", column(name))

    async def alone(function):
        here = await connect()
        try:
            await function(here)
        finally:
            await here.close()

    for function in CHECKS:
        await outcome(function.__name__.replace("_", " "), alone(function))


asyncio.run(main())
