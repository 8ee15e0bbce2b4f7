import { expect, test } from 'vitest';
import { MillraceError } from '../../base/errors.ts';
import { openCloud } from './open.ts';
import { loadSdk } from './sdk.ts';

function failure(act: () => unknown): MillraceError {
  try {
    act();
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test.each(['shop', 'aws:', 'aws:not/a/region/shop', 'oracle:shop', 'gcp:shop', 'azure:shop-rg/shop', 'azure:not-a-uuid/shop-rg/shop'])(
  '"%s" names nothing, and the error says how to write it',
  (text) => {
    const { code, hint } = failure(() => openCloud(text));
    expect(code).toBe('CLOUD_RESOURCE_INVALID');
    expect(hint).toMatch(/^Write it as .*(aws|gcp|azure|do):/);
  },
);

test('DigitalOcean needs no SDK', () => {
  expect(openCloud('do:9cc10173-e9ea-4176-9dbc-a4cee4c4ff30', {}).resource).toMatch(/^do:/);
});

test('an SDK that is absent is named with the one line that brings it', () => {
  const { code, hint } = failure(() => loadSdk({ cloud: 'AWS', packages: ['@millrace/absent-one', '@millrace/absent-two'] }));
  expect([code, hint]).toEqual(['CLOUD_SDK_MISSING', 'npm i @millrace/absent-one @millrace/absent-two']);
});

test('Single Server is refused', () => {
  const id = '/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/servers/old';
  expect(failure(() => openCloud(`azure:${id}`)).detail).toMatch(/Flexible Server/);
});
