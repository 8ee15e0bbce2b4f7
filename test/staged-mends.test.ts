/** No mend that nobody has run: each error that names one is staged in test/edges/mends.ts, or listed there with the reason why not. */
import { expect, test } from 'vitest';
import { engineErrors } from '../src/base/errors/engine.ts';
import { serverErrors } from '../src/base/errors/server.ts';
import { sqlErrors } from '../src/base/errors/sql.ts';
import { storeErrors } from '../src/base/errors/store.ts';
import { upstreamErrors } from '../src/base/errors/upstream.ts';
import { STAGED } from './edges/mends.ts';
import { UNSTAGED } from './edges/unstaged-mends.ts';

const withMend = Object.entries({ ...engineErrors, ...serverErrors, ...sqlErrors, ...storeErrors, ...upstreamErrors })
  .filter(([, definition]) => 'mend' in definition)
  .map(([code]) => code);

test('every error with a mend is staged, or says why it is not', () => {
  expect(withMend.filter((code) => !STAGED.has(code) && UNSTAGED[code] === undefined)).toEqual([]);
});

test('none is both, and none is listed that there is not', () => {
  expect(Object.keys(UNSTAGED).filter((code) => STAGED.has(code) || !withMend.includes(code))).toEqual([]);
  expect([...STAGED].filter((code) => !withMend.includes(code))).toEqual([]);
});
