import { expect, test } from 'vitest';
import { relationChange, shapeChange, type ChildShape, type ColumnShape, type ShapeFacts, type TableShape } from './shape.ts';
import type { UpstreamTable } from './table.ts';

const column = (attnum: number, name: string, more: Partial<ColumnShape> = {}): ColumnShape => ({
  attnum,
  name,
  typeOid: 25,
  typmod: -1,
  typeName: 'text',
  collationOid: 100,
  generated: '',
  version: '700',
  ...more,
});
const child = (oid: number, name: string, more: Partial<ChildShape> = {}): ChildShape => ({
  oid,
  name,
  file: oid,
  version: '700',
  since: '700',
  ...more,
});
const [id, a, b] = [column(1, 'id'), column(2, 'a'), column(3, 'b')];
const shape = (more: Partial<TableShape> = {}): TableShape => ({
  oid: 1,
  schema: 'public',
  name: 't',
  kind: 'r',
  persistence: 'p',
  file: 10,
  toast: 12,
  horizon: '699',
  identity: 'd',
  primaryKey: [1],
  identityIndex: [],
  columns: [id, a, b],
  dropped: [],
  children: [],
  named: '700',
  published: { publication: 5, version: '700', all: false, entries: ['table 9 '] },
  types: {},
  successor: null,
  ...more,
});
const entry = (more: Partial<TableShape['published']>): Partial<TableShape> => ({ published: { ...shape().published, ...more } });
const { toast: _toast, horizon: _horizon, ...earlier }: TableShape = shape();
const slim = shape({ toast: 0 });
const keyless = shape({ identity: 'f', primaryKey: [] });
const parts = shape({ kind: 'p', file: 0, children: [child(20, 't1'), child(21, 't2')] });
const level = (labels: string[]): Partial<TableShape> => ({ types: { 50: { kind: 'enum', name: 'public.level', labels } } });

const facts: ShapeFacts = { publication: 'mz_source', versionNum: 180_000, truncated: false, rowsKept: false, streamed: false };
const stop = (reason: string, code = 'TABLE_CHANGED'): object => ({
  kind: 'stop',
  code,
  reason: expect.stringContaining(reason) as string,
});
const same = { kind: 'same' };

test.each<[string, TableShape, TableShape | undefined, object, Partial<ShapeFacts>?]>([
  ['nothing', shape(), shape(), same],
  // The table and its name
  ['dropped', shape(), shape({ kind: '' }), stop('it was dropped')],
  ['dropped and made again', shape(), shape({ kind: '', successor: 2 }), stop('another table has its name now')],
  ['renamed', shape(), shape({ name: 'u' }), stop('it is called public.u now')],
  ['replaced by renaming', shape(), shape({ name: 'u', successor: 2 }), stop('and another table has its name')],
  ['moved', shape(), shape({ schema: 's' }), stop('it is called s.t now')],
  // Columns
  ['a column dropped', shape(), shape({ columns: [id, b], dropped: [2] }), stop('column "a" was dropped')],
  [
    'dropped and added',
    shape(),
    shape({ columns: [id, a, column(4, 'b')], dropped: [3] }),
    stop('column "b" was dropped, and another one of that name added'),
  ],
  ['added', shape(), shape({ columns: [id, a, b, column(4, 'c')] }), stop('column "c" was added')],
  ['two names exchanged', shape(), shape({ columns: [id, column(2, 'b'), column(3, 'a')] }), stop('column "a" is called "b" now')],
  [
    'retyped',
    shape(),
    shape({ columns: [id, column(2, 'a', { typeOid: 20, typeName: 'bigint' }), b] }),
    stop('column "a" is of type bigint now, and was text'),
  ],
  ['another typmod', shape(), shape({ columns: [id, column(2, 'a', { typmod: 9 }), b] }), stop('column "a" is of type')],
  ['another collation', shape(), shape({ columns: [id, column(2, 'a', { collationOid: 950 }), b] }), stop('another collation')],
  ['no longer generated', shape({ columns: [id, column(2, 'a', { generated: 's' }), b] }), shape(), stop('no longer generated')],
  // Its file
  ['VACUUM FULL, CLUSTER, TRUNCATE', shape(), shape({ file: 11 }), same],
  ['on Postgres 10 a TRUNCATE is not told', shape(), shape({ file: 11 }), stop('truncated or rewritten'), { versionNum: 100_023 }],
  ['a GRANT on a column', shape(), shape({ columns: [id, column(2, 'a', { version: '800' }), b] }), same],
  [
    'ALTER … TYPE … USING',
    shape(),
    shape({ file: 11, columns: [id, column(2, 'a', { version: '800' }), b] }),
    stop('it was rewritten, and column "a" altered'),
  ],
  ['SET UNLOGGED and back', shape(), shape({ file: 11, toast: 13 }), stop('SET UNLOGGED')],
  ['a file without TOAST, an old row', slim, { ...slim, file: 11 }, same, { rowsKept: true }],
  ['truncated, without TOAST', slim, { ...slim, file: 11 }, same, { truncated: true }],
  ['a TRUNCATE that may be on its way', slim, { ...slim, file: 11 }, { kind: 'unsettled' }],
  ['no old row, no TRUNCATE', slim, { ...slim, file: 11 }, stop('SET UNLOGGED'), { streamed: true }],
  ['noted by an earlier version', earlier, shape({ file: 11 }), same],
  ['unlogged', shape(), shape({ persistence: 'u' }), stop('unlogged')],
  // Its identity
  ['the key moved', shape(), shape({ primaryKey: [2] }), stop('identified by other columns now (a; it was id)')],
  ['the key is gone', shape(), shape({ primaryKey: [] }), stop('identified by other columns now (none; it was id)')],
  ['FULL, by the same key', shape(), shape({ identity: 'f' }), same],
  ['the key of an index that is the same', shape(), shape({ identity: 'i', identityIndex: [1] }), same],
  ['a key comes to whole rows', keyless, { ...keyless, primaryKey: [1] }, same],
  ['whole rows are sent no more', keyless, { ...keyless, identity: 'd', primaryKey: [1] }, stop('no longer FULL')],
  // Its publication
  ['taken out', shape(), shape(entry({ entries: [] })), stop('taken out', 'TABLE_NOT_PUBLISHED')],
  ['put back', shape(), shape(entry({ entries: ['table 11 '] })), stop('put back', 'TABLE_REPUBLISHED')],
  ['altered and back', shape(), shape(entry({ version: '800' })), stop('was altered', 'TABLE_REPUBLISHED')],
  ['made again', shape(), shape(entry({ publication: 6 })), stop('made again', 'TABLE_REPUBLISHED')],
  ['moved and back, published by name', shape(), shape({ named: '800' }), same],
  [
    'moved and back, published by schema',
    shape(entry({ entries: ['schema 3'] })),
    shape({ ...entry({ entries: ['schema 3'] }), named: '800' }),
    stop('moved to another schema and back', 'TABLE_REPUBLISHED'),
  ],
  ['all tables', shape(entry({ all: true, entries: [] })), shape({ ...entry({ all: true, entries: [] }), named: '800' }), same],
  // Types
  [
    'a label added',
    shape(level(['low', 'high'])),
    shape(level(['low', 'medium', 'high'])),
    stop('the labels of enum public.level are now (low, medium, high)'),
  ],
  ['a type gone', shape(level(['low'])), shape(), stop('public.level')],
  // Children
  ['an inheritance child', shape(), shape({ children: [child(20, 'u')] }), stop('inheritance child u was added')],
  ['a partition attached', parts, { ...parts, children: [...parts.children, child(22, 't3')] }, stop('partition t3 was added')],
  ['detached', parts, { ...parts, children: [child(20, 't1')] }, stop('partition t2 was detached or dropped')],
  [
    'detached and back',
    parts,
    { ...parts, children: [child(20, 't1'), child(21, 't2', { since: '800' })] },
    stop('partition t2 was detached and attached again'),
  ],
  [
    'one partition emptied',
    parts,
    { ...parts, children: [child(20, 't1'), child(21, 't2', { file: 99, version: '800' })] },
    stop('partition t2 was truncated or rewritten'),
  ],
  ...(['unsettled', 'stop', 'same'] as const).map((kind): [string, TableShape, TableShape, object, Partial<ShapeFacts>] => [
    `all partitions emptied at once: ${kind}`,
    parts,
    { ...parts, children: [child(20, 't1', { file: 98, version: '800' }), child(21, 't2', { file: 99, version: '800' })] },
    kind === 'stop' ? stop('partition t1 was truncated or rewritten') : { kind },
    { truncated: kind === 'same', streamed: kind === 'stop' },
  ]),
])('%s', (_, before, now, expected, more = {}) => expect(shapeChange(before, now, { ...facts, ...more })).toEqual(expected));

const table: UpstreamTable = {
  oid: 1,
  schema: 'public',
  name: 't',
  replicaIdentity: 'd',
  columns: [id, a].map(({ attnum, name, typeOid, typmod, typeName, collationOid }) => ({
    attnum,
    name,
    notNull: false,
    typeOid,
    typmod,
    typeName,
    collationOid,
  })),
  key: [0],
};
const sent = {
  oid: 1,
  schema: 'public',
  name: 't',
  replicaIdentity: 'd',
  columns: [id, a].map(({ name, typeOid, typmod }, at) => ({ key: at === 0, name, typeOid, typmod })),
};

test.each([
  ['the same', sent, undefined],
  [
    'under FULL all columns are flagged',
    { ...sent, replicaIdentity: 'f', columns: sent.columns.map((one) => ({ ...one, key: true })) },
    undefined,
  ],
  ['a column less', { ...sent, columns: sent.columns.slice(0, 1) }, 'its columns changed; they are now (id)'],
  [
    'another modifier',
    { ...sent, columns: sent.columns.map((one) => ({ ...one, typmod: 7 })) },
    'its columns changed; they are now (id, a)',
  ],
  ['another name', { ...sent, name: 'u' }, 'it is called public.u now'],
  [
    'another key',
    { ...sent, columns: sent.columns.map((one) => ({ ...one, key: !one.key })) },
    'its rows are identified by other columns now (a)',
  ],
  [
    'no identity',
    { ...sent, replicaIdentity: 'n', columns: sent.columns.map((one) => ({ ...one, key: false })) },
    'it has no replica identity any more',
  ],
])('the stream says: %s', (_, relation, expected) => expect(relationChange(table, relation)).toBe(expected));
