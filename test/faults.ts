/**
 * Which test holds which fault of docs/reference/faults.md, or what is missing. `npm run docs` writes the page's last column from this table, `faults.test.ts` holds both against
 * each other and the names against the tests: `file: words of the test's title`, or `life: a form of DDL` that the random walk (test/life) takes and settles after.
 */
export type Held = { readonly by: readonly string[] } | { readonly missing: string };

const by = (...tests: readonly string[]): Held => ({ by: tests });
const missing = (what: string): Held => ({ missing: what });

const RESUME = 'src/ingest/resume.test.ts';
const INGEST = 'src/ingest/ingest.test.ts';
const COPY = 'src/ingest/copy.test.ts';
const RECEIVER = 'src/ingest/receiver.test.ts';
const FAILOVER = 'src/ingest/failover.test.ts';
const CATALOG = 'src/upstream/catalog/catalog.test.ts';
const CONNECT = 'src/upstream/connection/connect.test.ts';
const STREAM = 'src/upstream/replication/stream.test.ts';
const ROWS = 'src/store/rows/rows.test.ts';
const LOG = 'src/store/log/log.test.ts';
const VALUES = 'src/ingest/values.test.ts';
const UPSTREAM = 'test/e2e/upstream.test.ts';

const EVERY_VALUE = by(`${VALUES}: every value has one text`, 'src/values/codec.test.ts: what Postgres prints comes back the same');

export const FAULTS: Readonly<Record<number, Held>> = {
  1: by(`${INGEST}: killed at any step of the first copy`),
  2: by(`${COPY}: in parts of any size, by two connections`),
  3: by(`${RECEIVER}: whatever the pieces, the cuts and the repetitions`),
  4: missing('a test with a network that forgets the connection without closing it'),
  5: missing('a test that holds the engine up for longer than wal_sender_timeout'),
  6: by(`${STREAM}: making a slot waits for open transactions`),
  7: by(`${CONNECT}: a session: every value is text, written the same way whatever the role prefers`),
  8: missing('a test with the time-out set for the role'),
  9: by('src/providers/checks/errors.test.ts: unsupported startup parameter: replication'),
  10: missing('a copy from a replica: planned'),
  11: missing('a test under temp_file_limit: planned'),
  12: by(`${COPY}: while parts are read, nobody moves the rows`, 'life: vacuum full', 'life: cluster'),
  13: missing('watching the remaining WAL while copying: planned'),
  14: by('src/providers/doctor.test.ts: all slots in use', `${INGEST}: when the server has no slot to spare`),
  15: by(`${RESUME}: the slot was dropped`, `${UPSTREAM}: our slot is dropped behind our back`),
  16: by(`${RESUME}: someone advanced the slot`, `${INGEST}: refusals: the worker stays`),
  17: by(`${RESUME}: killed while the slot was made`),
  18: missing('a test with a walsender of the previous run that stays'),
  19: by('src/store/data-directory.test.ts: one process at a time'),
  20: by(`${RESUME}: a physical slot of our name`),
  21: by(`${RESUME}: failover without the slot`, `${FAILOVER}: a failover to a standby that has the slot`),
  22: by(`${RESUME}: restored from a backup`),
  23: by(`${RESUME}: failover that lost what we have`, `${FAILOVER}: a failover to a standby that lacks what we have is refused`),
  24: missing('a node that has become read-only: planned'),
  25: by(`${RESUME}: another server`, `${INGEST}: pointed at another server, it refuses`),
  26: by(`${RESUME}: the slot was invalidated`),
  27: by(`${RESUME}: every refusal says what to do`),
  28: missing('a test with a lowered wal_level'),
  29: by('src/ingest/kill.test.ts: killed at every step, under load', `${LOG}: nothing synced is lost, nothing torn is read`),
  30: by(`${STREAM}: only what was acknowledged is not sent again`),
  31: by(`${RECEIVER}: whatever the pieces, the cuts and the repetitions`),
  32: by(`${INGEST}: what is acknowledged is what is synced, also when nothing but keepalives comes`),
  33: by(`${INGEST}: a restart continues where it was`),
  34: by('test/faults.test.ts: no statement of ours peeks at a slot'),
  35: missing('the process id and age of the transaction: planned'),
  36: by('src/ingest/retry.test.ts: an error that may pass', `${INGEST}: errors that pass`),
  37: missing('errors of suspended and exhausted hosts: planned'),

  38: by(`${INGEST}: a publication that goes away is noticed`, `${UPSTREAM}: the publication is dropped`, 'life: publication made again'),
  39: missing('a test with a publication that is younger than the slot'),
  40: by(`${INGEST}: a table that leaves the publication is faulty`, 'life: publication set again'),
  41: by('life: taken out of the publication'),
  42: by(`${CATALOG}: what cannot be kept exactly is refused`, 'life: publication of inserts for a while'),
  43: missing('a test of setup with all tables and one without a key'),
  44: by(`${CATALOG}: partitions are seen by leaf, or by their root`),
  45: by('life: add column, constant default', 'life: add column, volatile default'),
  46: by('life: drop column', 'life: rename column', 'life: wider type', 'life: other modifier', 'life: other type, using'),
  47: by(`${ROWS}: a column comes, another goes`, `${LOG}: a segment says what is in force where it begins`),
  48: by('life: drop column, add the same name', 'life: swap two names'),
  49: by('life: table replaced by renaming', 'life: table renamed and back'),
  50: by('life: table dropped and made again'),
  51: by('life: key moved', 'life: replica identity', 'life: identity by another index'),
  52: by(`${ROWS}: an unchanged TOAST value is taken from the row, also when the key changes`),
  53: by(`${ROWS}: an unchanged TOAST value is taken from the row`),
  54: by(`${CATALOG}: what cannot be kept exactly is refused`, 'life: replica identity'),
  55: by(`${ROWS}: TRUNCATE, then rows again`, 'life: partition truncated'),
  56: by('life: partition attached'),
  57: by(`${INGEST}: partitions by their root: rows that move between them`),
  58: by('life: child of inheritance'),
  59: by(`${CATALOG}: what cannot be kept exactly is refused`, 'life: row filter for a while'),
  60: missing('nothing to test: none are made'),

  61: EVERY_VALUE,
  62: EVERY_VALUE,
  63: EVERY_VALUE,
  64: EVERY_VALUE,
  65: by(`${VALUES}: every value has one text`, 'src/values/order.test.ts: compares, and its canonical values are identical'),
  66: missing('a value of a gigabyte; the largest that is tried has a megabyte (test/life)'),
  67: EVERY_VALUE,
  68: by('life: enum label added', 'life: enum label renamed'),
  69: missing('a test with one name in several schemas'),
  70: EVERY_VALUE,
  71: missing('PostGIS is not on the test machine'),
  72: missing('refusal of citext and nondeterministic collations by name'),
  73: missing('a test of deep nesting and duplicate keys'),
  74: by(`${VALUES}: a database in another encoding is read in UTF-8`),
  75: by(`${CATALOG}: tables are described as the stream will send them`),
  76: missing('1,600 columns and none at all; 300 and dropped ones between are tried (test/life)'),
  77: by('life: generated column', 'life: generated no more'),
  78: by('src/values/order.test.ts: floats: NaN equals itself', `${VALUES}: every value has one text`),

  79: by(`${RECEIVER}: a huge transaction does not wait in memory for its end`),
  80: by(`${STREAM}: much at once is read in few pieces, little at once without delay`),
  81: by(`${STREAM}: transactions of every kind, in order`),
  82: missing('the difference of two clocks: planned'),
  83: by(`${UPSTREAM}: a password that was rotated upstream`),
  84: by(`${CATALOG}: what cannot be kept exactly is refused`),
  85: by(`${CATALOG}: what cannot be kept exactly is refused`, 'test/e2e/refusals.test.ts: a user who may not read the tables'),
  86: by('src/providers/setup.test.ts: a table of somebody else is for its owner to mend'),
  87: by('test/e2e/durability.test.ts: is found by the audit', 'test/e2e/durability.test.ts: every view equals the upstream at one LSN'),
  88: by(`${INGEST}: dropping the source leaves no slot`, 'src/providers/setup.test.ts: undo takes away what setup made'),
};
