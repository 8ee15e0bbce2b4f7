"""SQLAlchemy: what its inspector finds out, reflection of a table, a query through Core."""

import sqlalchemy
from sqlalchemy import MetaData, Table, create_engine, func, inspect, select

from checking import MILLRACE_PORT, UPSTREAM, check, equal

engine = create_engine(f"postgresql+psycopg://millrace@127.0.0.1:{MILLRACE_PORT}/millrace")
upstream = create_engine(UPSTREAM.replace("postgres://", "postgresql+psycopg://"))


@check("get_schema_names")
def _():
    names = inspect(engine).get_schema_names()
    assert "public" in names and "millrace" in names, names


@check("get_table_names, get_view_names, get_materialized_view_names")
def _():
    inspector = inspect(engine)
    equal(sorted(inspector.get_table_names()), ["changing", "kinds", "numbers"])
    equal(sorted(inspector.get_view_names()), ["even"])
    equal(sorted(inspector.get_materialized_view_names()), ["sums"])
    equal(inspector.get_view_definition("even") is None, False)


def shown(columns):
    return [(c["name"], repr(c["type"]), c["nullable"], c["comment"]) for c in columns]


@check("get_columns, as of the upstream")
def _():
    for table in ("kinds", "numbers", "changing"):
        equal(shown(inspect(engine).get_columns(table)), shown(inspect(upstream).get_columns(table)))


@check("get_columns of a view and a materialized view")
def _():
    equal([c["name"] for c in inspect(engine).get_columns("even")], ["n", "word"])
    equal([(c["name"], str(c["type"])) for c in inspect(engine).get_columns("sums")], [("digit", "INTEGER"), ("numbers", "BIGINT"), ("halves", "NUMERIC"), ("mean", "NUMERIC")])


@check("get_pk_constraint, get_indexes, get_foreign_keys, get_unique_constraints, get_table_comment, get_enums")
def _():
    inspector = inspect(engine)
    equal(inspector.get_pk_constraint("numbers")["constrained_columns"], ["n"])
    equal([(i["name"], i["column_names"]) for i in inspector.get_indexes("sums")], [("sums_digit", ["digit"])])
    equal(inspector.get_foreign_keys("numbers"), [])
    equal(inspector.get_unique_constraints("numbers"), [])
    equal(inspector.get_table_comment("kinds"), {"text": "one column a type"})
    equal([(e["name"], e["labels"]) for e in inspector.get_enums()], [("mood", ["sad", "ok", "happy"])])


@check("has_table, reflection, a query through Core")
def _():
    equal(inspect(engine).has_table("numbers"), True)
    equal(inspect(engine).has_table("nothing"), False)
    numbers = Table("numbers", MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        equal(connection.execute(select(func.count()).select_from(numbers).where(numbers.c.n <= 10)).scalar(), 10)
        equal(connection.execute(select(numbers.c.word).where(numbers.c.n.in_([1, 2])).order_by(numbers.c.n)).scalars().all(), ["word 1", "word 2"])


@check("a whole database reflected, views too")
def _():
    metadata = MetaData()
    metadata.reflect(bind=engine, views=True)
    equal(sorted(metadata.tables), ["changing", "even", "kinds", "numbers", "sums"])


@check("stream_results (a cursor on the server)")
def _():
    with engine.connect().execution_options(stream_results=True, yield_per=100) as connection:
        equal(sum(1 for _ in connection.execute(sqlalchemy.text("SELECT n FROM numbers"))), 2500)
