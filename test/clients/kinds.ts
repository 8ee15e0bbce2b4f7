/** What every client reads: one row of common values, one of NULLs, one of extremes, in a column of each common type; and enough rows to fetch in portions. */
export const NUMBERS = 2_500;

export const SCHEMA = `
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE TYPE pair AS (first int, second text);
  CREATE DOMAIN cents AS int CHECK (VALUE >= 0);
  CREATE TABLE kinds (
    id int PRIMARY KEY,
    a_bool bool, an_int2 int2, an_int4 int4, an_int8 int8, a_float4 float4, a_float8 float8, a_numeric numeric, a_price numeric(10,2),
    a_text text, a_varchar varchar(20), a_char char(5), a_bytea bytea, a_uuid uuid,
    a_date date, a_time time, a_timetz timetz, a_timestamp timestamp, a_timestamptz timestamptz, an_interval interval,
    a_json json, a_jsonb jsonb, an_inet inet, a_cidr cidr, a_macaddr macaddr, a_bit bit(4), a_varbit varbit, an_oid oid, a_name name,
    an_enum mood, a_domain cents, a_range int4range, a_pair pair, a_point point,
    ints int[], texts text[], numerics numeric[], moods mood[]
  );
  COMMENT ON TABLE kinds IS 'one column a type';
  COMMENT ON COLUMN kinds.a_price IS 'in euros';
  INSERT INTO kinds VALUES
    (1, true, -7, 123456, 9007199254740993, 1.5, -2.25e100, 12345.678900, 19.90,
     'héllo ✓', 'varying', 'abc', '\\x00ff10', '6ba7b810-9dad-11d1-80b4-00c04fd430c8',
     '2024-02-29', '13:14:15.123456', '13:14:15+02', '2024-02-29 13:14:15.5', '2024-02-29 13:14:15.5+02', '1 year 2 mons 3 days 04:05:06.7',
     '{"a": [1, 2]}', '{"b": null, "a": 1.50}', '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', B'1010', B'101', 4000000000, 'a name',
     'happy', 250, '[1,10)', '(1,"a ""b"", c")', '(1.5,-2)',
     '{1,2,NULL}', '{a,"b c",NULL,""}', '{1.10,-2}', '{sad,happy}'),
    (3, false, -32768, -2147483648, -9223372036854775808, 'NaN', '-Infinity', 'NaN', -99999999.99,
     '', '', '', '', '00000000-0000-0000-0000-000000000000',
     '0044-03-15 BC', '24:00', '00:00-15:59', '294276-12-31 23:59:59.999999', '4713-01-01 00:00+00 BC', '-1 years +2 days -00:00:00.000001',
     'null', '"x"', '::1', '::/0', 'ff:ff:ff:ff:ff:ff', B'0000', '', 0, '',
     'sad', 0, 'empty', '(,)', '(0,0)',
     '{}', '{}', '{}', '{{ok},{sad}}');
  INSERT INTO kinds (id) VALUES (2);
  CREATE TABLE numbers (n int PRIMARY KEY, half numeric NOT NULL, word text NOT NULL);
  INSERT INTO numbers SELECT n, n / 2.0, 'word ' || n FROM generate_series(1, ${NUMBERS}) n;
  CREATE TABLE changing (id int PRIMARY KEY, label text);
  INSERT INTO changing VALUES (1, 'first');
  CREATE PUBLICATION mz_source FOR TABLE kinds, numbers, changing;
`;

/** Of each kind one. */
export const VIEWS = [
  `CREATE VIEW even AS SELECT n, word FROM numbers WHERE n % 2 = 0`,
  `CREATE MATERIALIZED VIEW sums AS SELECT n % 10 AS digit, count(*) AS numbers, sum(half) AS halves, avg(n) AS mean FROM numbers GROUP BY n % 10`,
  `CREATE INDEX sums_digit ON sums (digit)`,
];
