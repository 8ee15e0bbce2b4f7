/** Bad input: each is a coded error that says what to do, and the server goes on. */
import { createConnection } from 'node:net';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, PASSWORD, refusal, runMillrace, Shop, textRows } from './shop.ts';

let shop: Shop;
let client: pg.Client;

beforeAll(async () => {
  shop = await Shop.open();
  await shop.upstream(`
    CREATE TABLE keyless (a int);
    CREATE PUBLICATION empty;
    CREATE PUBLICATION careless FOR TABLE keyless;
    CREATE ROLE reader LOGIN PASSWORD 'reader';
    CREATE ROLE blind LOGIN REPLICATION PASSWORD 'blind';
  `);
  client = await shop.connect();
  await client.query(`CREATE SECRET pgpass AS '${PASSWORD}'`);
  await client.query(shop.connection());
});

afterAll(async () => {
  await client?.end();
  await shop?.close();
});

/** The connection's options with some of them replaced. */
function connection(name: string, changed: Readonly<Record<string, string>>): string {
  const { host, port } = shop.postgres;
  const options = { HOST: `'${host}'`, PORT: String(port), DATABASE: `'shop'`, USER: `'millrace'`, PASSWORD: 'SECRET pgpass', ...changed };
  return `CREATE CONNECTION ${name} TO POSTGRES (${Object.entries(options)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ')})`;
}

describe('a connection that does not work is refused when it is made', () => {
  test.each([
    ['a wrong password', { PASSWORD: 'SECRET wrong' }, '28P01', /refuses the password of user "millrace"/],
    ['a port where nobody listens', { PORT: '1' }, '08001', /could not connect to the upstream at 127\.0\.0\.1:1/],
    ['a host that does not exist', { HOST: `'nowhere.invalid'` }, '08001', /nowhere\.invalid/],
    ['a database that does not exist', { DATABASE: `'attic'` }, '3D000', /attic/],
    ['TLS where the server has none', { 'SSL MODE': `'require'` }, '08001', /TLS|SSL/i],
    ['a password in clear', { PASSWORD: `'clear'` }, '42601', /takes a secret/],
    ['a secret that does not exist', { PASSWORD: 'SECRET nothing' }, '42P01', /secret "nothing"/],
    ['an option that does not exist', { COLOUR: `'red'` }, '42601', /COLOUR/i],
  ])('%s', async (_, changed, code, message) => {
    await client.query(`CREATE SECRET IF NOT EXISTS wrong AS 'wrong'`);
    const refused = await refusal(client.query(connection('other', changed)));
    expect(refused).toMatchObject({ code, message: expect.stringMatching(message) as unknown });
    if (code !== '42P01') expect(refused.hint, 'what mends it').toBeTruthy();
    expect(refused.message + refused.detail + refused.hint).not.toContain(PASSWORD);
  });
});

describe('a source that cannot be kept exactly is refused, and leaves nothing behind', () => {
  test.each([
    ['a publication that does not exist', 'shop', 'missing', 'FOR ALL TABLES', '42704', /publication "missing" does not exist/],
    ['a publication of nothing', 'shop', 'empty', 'FOR ALL TABLES', undefined, /publication "empty"/],
    ['a table that is not published', 'shop', 'mz_source', 'FOR TABLES (unpublished)', undefined, /unpublished/],
    ['a table that does not exist', 'shop', 'mz_source', 'FOR TABLES (nothing)', undefined, /nothing/],
    ['a table without a key', 'shop', 'careless', 'FOR ALL TABLES', undefined, /keyless/],
    ['a connection that does not exist', 'nothing', 'mz_source', 'FOR ALL TABLES', '42P01', /connection "nothing"/],
    ['a user without REPLICATION', 'by_reader', 'mz_source', 'FOR ALL TABLES', '42501', /reader/],
    ['a user who may not read the tables', 'by_blind', 'mz_source', 'FOR ALL TABLES', '42501', /customers|notes|orders|ratios/],
  ])('%s', async (_, by, publication, tables, code, message) => {
    for (const role of ['reader', 'blind']) {
      await client.query(`CREATE SECRET IF NOT EXISTS ${role} AS '${role}'`);
      await client.query(connection(`IF NOT EXISTS by_${role}`, { USER: `'${role}'`, PASSWORD: `SECRET ${role}` }));
    }
    const refused = await refusal(
      client.query(`CREATE SOURCE bad FROM POSTGRES CONNECTION ${by} (PUBLICATION '${publication}') ${tables}`),
    );
    expect(refused.message).toMatch(message);
    if (code !== undefined) expect(refused.code).toBe(code);
    expect(refused.code).not.toBe('XX000');
    expect(await textRows(client, 'SHOW SOURCES')).toEqual([]);
    expect(await textRows(client, 'SHOW TABLES')).toEqual([]);
    expect(await shop.upstream('SELECT slot_name FROM pg_replication_slots')).toEqual([]);
  });

  test('wal_level replica', async () => {
    await shop.postgres.restart('fast', { wal_level: 'replica' });
    try {
      const refused = await refusal(
        client.query(`CREATE SOURCE bad FROM POSTGRES CONNECTION shop (PUBLICATION 'mz_source') FOR ALL TABLES`),
      );
      expect(refused).toMatchObject({ code: '55000', message: expect.stringContaining('wal_level') as unknown });
      expect(refused.hint).toContain('wal_level');
    } finally {
      await shop.postgres.restart('fast', { wal_level: 'logical' });
    }
  });

  test('a second source', async () => {
    await client.query(`CREATE SOURCE shop FROM POSTGRES CONNECTION shop (PUBLICATION 'mz_source') FOR ALL TABLES`);
    const refused = await refusal(client.query(`CREATE SOURCE two FROM POSTGRES CONNECTION shop (PUBLICATION 'mz_source') FOR ALL TABLES`));
    expect(refused).toMatchObject({ code: '0A000', message: expect.stringContaining('second source') as unknown });
  });
});

describe('statements', () => {
  test.each([
    ['SELEC 1', '42601', 1],
    ['SELECT * FROM nothing', '42P01', 15],
    ['SELECT id FROM orders WHERE totl > 1', '42703', 29],
    ['SELECT id FROM orders WHERE', '42601', undefined],
    ['SELECT id + name FROM customers', '42883', 11],
    ['SELECT nothing(id) FROM customers', '42883', 8],
    [`SELECT 'ünïcödé', nothing FROM customers`, '42703', 19],
    ['CREATE MATERIALIZED VIEW v AS SELECT nothing FROM customers', '42703', 38],
    ['CREATE MATERIALIZED VIEW v AS SELECT * FROM nothing', '42P01', 45],
    ['CREATE MATERIALISED VIEW v AS SELECT 1', '42601', 8],
    ['SELECT 1 / 0 FROM customers', '22012', undefined],
    [`SELECT 'x'::int FROM customers`, '22P02', undefined],
    ['SELECT id FROM customers LIMIT -1', '2201W', undefined],
  ])('%s', async (sql, code, position) => {
    const refused = await refusal(client.query(sql));
    expect(refused).toMatchObject({ code });
    if (position !== undefined) expect(Number(refused.position)).toBe(position);
  });

  test.each([
    ['now() AS at, id FROM customers', /now\(\)/],
    ["id FROM customers WHERE CURRENT_DATE > DATE '2000-01-01'", /CURRENT_DATE|current_date/],
    ['random() AS r, id FROM customers', /random\(\)/],
    ['rank() OVER (ORDER BY id) FROM customers', /window function/],
    ['gen_random_uuid() FROM customers', /gen_random_uuid\(\)/],
  ])('a view that cannot be maintained names the feature: SELECT %s', async (query, feature) => {
    const refused = await refusal(client.query(`CREATE MATERIALIZED VIEW v AS SELECT ${query}`));
    expect(refused).toMatchObject({ code: '0A000', message: expect.stringMatching(feature) as unknown });
    expect(refused.hint).toBeTruthy();
    expect(await textRows(client, 'SHOW MATERIALIZED VIEWS')).toEqual([]);
  });

  test.each([
    ['INSERT INTO customers VALUES (1)', '25006'],
    ['UPDATE customers SET id = 1', '25006'],
    ['DELETE FROM customers', '25006'],
    ['TRUNCATE customers', '25006'],
    ['CREATE TABLE t (a int)', undefined],
    ['ALTER TABLE customers ADD c int', '0A000'],
    ['COPY customers FROM STDIN', undefined],
    ['CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$', undefined],
    ["SELECT pg_read_file('PG_VERSION')", undefined],
    ["SELECT set_config('search_path', 'x', true), pg_sleep(0)", undefined],
    ['CREATE INDEX i ON customers (id)', '0A000'],
    ['SELECT id FROM customers; DROP SCHEMA public CASCADE', undefined],
    ['WITH gone AS (DELETE FROM customers RETURNING *) SELECT * FROM gone', undefined],
  ])('only read: %s', async (sql, code) => {
    const outcome = await client.query(sql).then(
      () => undefined,
      (error: { code: string }) => error,
    );
    // A harmless function may answer; nothing may change.
    if (code !== undefined) expect(outcome?.code).toBe(code);
    expect(outcome?.code ?? '').not.toBe('XX000');
    expect(await textRows(client, 'SELECT count(*) FROM customers')).toEqual([['300']]);
    expect(await textRows(client, 'SHOW TABLES')).toHaveLength(4);
  });

  test('a parameter that does not fit its type, too few parameters', async () => {
    expect(await refusal(client.query('SELECT id FROM customers WHERE id = $1', ['seven']))).toMatchObject({ code: '22P02' });
    expect(await refusal(client.query('SELECT id FROM customers WHERE id = $2', [1]))).toMatchObject({
      code: expect.stringMatching(/^(08P01|42P18)$/) as unknown,
    });
    expect(await textRows(client, 'SELECT id FROM customers WHERE id = $1', [' 7 '])).toEqual([['7']]);
  });
});

describe('bytes that are no protocol', () => {
  const startup = Buffer.concat([Buffer.from([0, 0, 0, 41, 0, 3, 0, 0]), Buffer.from('user\0millrace\0database\0millrace\0\0')]);
  const message = (type: string, body: Buffer | string, length?: number): Buffer => {
    const bytes = Buffer.from(body);
    const head = Buffer.alloc(5);
    head.write(type, 'latin1');
    head.writeUInt32BE(length ?? bytes.length + 4, 1);
    return Buffer.concat([head, bytes]);
  };

  test.each<[string, Buffer]>([
    ['a browser', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['zeros', Buffer.alloc(64)],
    ['a startup message without end', Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0])],
    ['a protocol of the future', Buffer.from([0, 0, 0, 8, 0, 9, 0, 0])],
    ['noise', Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919 + 13) % 251))],
    ['a message of no known type', Buffer.concat([startup, message('~', 'what')])],
    ['a message that claims four gigabytes', Buffer.concat([startup, message('Q', 'SELECT 1', 0xffff_fff0)])],
    ['a message with a negative length', Buffer.concat([startup, message('Q', '', 0)])],
    ['a query without its zero', Buffer.concat([startup, message('Q', 'SELECT 1')])],
    ['a Bind that is cut short', Buffer.concat([startup, message('B', '\0\0\0')])],
    ['a query that is not UTF-8', Buffer.concat([startup, message('Q', Buffer.from([0x53, 0xff, 0xfe, 0]))])],
    ['a client that hangs up in the middle', Buffer.concat([startup, Buffer.from([0x51, 0, 0, 0, 99, 0x53])])],
  ])('%s', async (_, bytes) => {
    const socket = createConnection(shop.millrace.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.end(bytes);
    await new Promise((resolve) => {
      socket.once('close', resolve);
      setTimeout(resolve, 1_000);
    });
    socket.destroy();
    expect(await textRows(client, 'SELECT 1')).toEqual([['1']]);
  });

  test('none of them left a session behind', async () => {
    await eventually(
      () => textRows(client, 'SELECT count(*) FROM millrace.sessions'),
      ([row]) => row![0] === '1',
    );
  });
});

describe('the command line', () => {
  test('a second process on the same data directory', async () => {
    const second = await runMillrace('serve', '--data', shop.dataDirectory, '--listen', '127.0.0.1:0', '--auth', 'trust');
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/DATA_DIRECTORY_IN_USE/);
    expect(await textRows(client, 'SELECT 1')).toEqual([['1']]);
  });

  test.each([
    ['a port that is taken', () => ['--listen', `127.0.0.1:${shop.millrace.port}`, '--auth', 'trust'], /LISTEN_REFUSED/, 1],
    ['no address', () => ['--listen', 'nonsense'], /LISTEN_ADDRESS_INVALID/, 2],
    ['trust for the world', () => ['--listen', '0.0.0.0:0', '--auth', 'trust'], /TRUST_NEEDS_LOOPBACK/, 2],
    ['another way to authenticate', () => ['--listen', '127.0.0.1:0', '--auth', 'ldap'], /OPTION_REFUSED/, 2],
  ])('%s', async (_, flags, said, code) => {
    const ran = await runMillrace('serve', '--data', `${shop.dataDirectory}-other`, ...flags());
    expect(ran.code).toBe(code);
    expect(ran.stderr).toMatch(said);
    expect(ran.stderr).not.toMatch(/\n\s+at /);
  });

  test('an audit of nobody', async () => {
    expect(await runMillrace('audit', 'postgres://millrace@127.0.0.1:1/millrace')).toMatchObject({ code: 2 });
  });
});
