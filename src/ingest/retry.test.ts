import { expect, test } from 'vitest';
import { AssertionError } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { afterFailure } from './retry.ts';

const error = (code: string): MillraceError => new MillraceError(code, 'XX000', code);

test('an error that may pass: a pause that grows to half a minute, spread so that many do not come at once', () => {
  let pauseMs = 0;
  const pauses: number[] = [];
  for (let i = 0; i < 10; i++) {
    pauseMs = afterFailure(error('UPSTREAM_DISCONNECTED'), pauseMs, 0.5).pauseMs;
    pauses.push(pauseMs);
  }
  expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  expect(afterFailure(error('UPSTREAM_DISCONNECTED'), 0, 0).waitMs).toBe(187.5);
  expect(afterFailure(error('UPSTREAM_DISCONNECTED'), 0, 1).waitMs).toBe(312.5);
});

test.each([
  ['UPSTREAM_AUTHENTICATION_FAILED', 'retrying', 5_000],
  ['PUBLICATION_MISSING', 'retrying', 250],
  ['LOG_DISK_FULL', 'retrying', 250],
  ['SLOT_DROPPED', 'stopped', 60_000],
  ['OTHER_SERVER', 'stopped', 60_000],
  ['LOG_SYNC_FAILED', 'stopped', undefined],
])('%s: %s', (code, state, waitMs) => expect(afterFailure(error(code), 0, 0.5)).toMatchObject({ state, waitMs }));

test('a fault of our own is never tried again by itself', () => {
  expect(afterFailure(new AssertionError('broken'), 0, 0.5)).toEqual({ state: 'stopped', waitMs: undefined, pauseMs: 0 });
});
