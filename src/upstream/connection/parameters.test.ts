import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MillraceError } from '../../base/errors.ts';
import { describe as described, parseConnectionString } from './parameters.ts';

const short = (text: string, environment?: Record<string, string>): string => {
  const { hosts, database, user, password, sslmode } = parseConnectionString(text, environment);
  return `${user}:${password ?? ''}@${hosts.map(({ host, port }) => `${host}:${port}`).join(',')}/${database}?${sslmode}`;
};

test.each([
  ['postgres://ann:secret@db.example.com:6000/shop', 'ann:secret@db.example.com:6000/shop?prefer'],
  ['postgresql://db.example.com', 'postgres:@db.example.com:5432/postgres?prefer'],
  ['postgres://ann@db/shop?sslmode=verify-full', 'ann:@db:5432/shop?verify-full'],
  ['postgres://ann:p%40ss%2Fw%3Ard@db/sh%20op', 'ann:p@ss/w:rd@db:5432/sh op?prefer'],
  ['postgres://ann:p@ss@db/shop', 'ann:p@ss@db:5432/shop?prefer'],
  ['postgres://ann@[::1]:5433/shop', 'ann:@::1:5433/shop?prefer'],
  ['postgres://ann@one:1,two:2/shop', 'ann:@one:1,two:2/shop?prefer'],
  ['postgres://ann@one,two/shop?connect_timeout=3', 'ann:@one:5432,two:5432/shop?prefer'],
  ['postgres:///shop?host=db&user=ann', 'ann:@db:5432/shop?prefer'],
  ['postgres://ann@db/shop?ssl=true', 'ann:@db:5432/shop?require'],
  ['host=db user=ann', 'ann:@db:5432/ann?prefer'],
  ["host = db port=6000 user='ann b' password = 'it\\'s \\\\' dbname=shop sslmode=verify_ca", "ann b:it's \\@db:6000/shop?verify-ca"],
  ["dbname='' host=db user=ann password=a\\ b", 'ann:a b@db:5432/?prefer'],
])('%s', (text, expected) => expect(short(text)).toBe(expected));

test('what the string leaves out comes from the environment, where that is asked for', () => {
  expect(short('host=db', { PGUSER: 'ann', PGPASSWORD: 'x', PGSSLMODE: 'require', PGHOST: 'other' })).toBe('ann:x@db:5432/ann?require');
});

test.each([
  ['postgres://db:port/shop', 'invalid host or port (in a user or password write @ as %40'],
  ['postgres://db:99999/shop', 'invalid port number: it is one of 1 to 65535'],
  ['postgres://ann:pa/ss@db/shop', 'an @ after the host (in a user or password write @ as %40, / as %2F'],
  ['postgres://ann:pa?ss@db/shop', 'an @ after the host'],
  ['postgres://ann:p@ss/word@db/shop', 'an @ after the host'],
  ['postgres://ann:1?ss=x', 'unknown option after the ?'],
  ['host=db password=open sesame=x', 'unknown option after the password'],
  ['host=db sslcert=/c.pem', 'a certificate without its key'],
  ['host=db sslkey=/k.pem', 'a key without its certificate'],
  ['postgres://db/shop?sslmode=maybe', 'invalid sslmode value "maybe"'],
  ['postgres://ann@db/shop?colour=red', 'unknown option "colour"'],
  ['postgres://db/%zz', 'invalid percent-encoded part in the URL'],
  ['db.example.com', 'no "key = value" at position 1'],
  ['host=db passwort', 'no "key = value" at position 9'],
  ["host='db", 'no "key = value" at position 1'],
  ['', 'it is empty'],
])('%s is refused', (text, reason) => expect(() => parseConnectionString(text)).toThrow(`invalid connection string: ${reason}`));

test('what is logged holds no password', () => {
  expect(described(parseConnectionString('postgres://ann:secret@db/shop'))).toBe('ann@db:5432/shop sslmode=prefer');
});

test('a password written raw is read as it is, or refused without a word of it', () => {
  const word = fc.constantFrom('Zz7', 'Qq9', '/', '?', '#', '@', ':', '%', '&', '=', ' ', "'", '\\', 'a', '1', ',', '[', ']');
  fc.assert(
    fc.property(
      fc.array(word, { minLength: 1, maxLength: 8 }).map((words) => words.join('')),
      fc.constantFrom(
        (password: string) => `postgres://ann:${password}@db.example.com:5432/shop?sslmode=require`,
        (password: string) => `postgres://ann:${password}`,
        (password: string) => `postgres://ann:${password}/shop`,
        (password: string) => `host=db.example.com password=${password} dbname=shop`,
      ),
      (password, url) => {
        try {
          parseConnectionString(url(password));
        } catch (error) {
          const { message, hint, detail } = error as MillraceError;
          expect(error).toBeInstanceOf(MillraceError);
          expect(`${message} ${hint ?? ''} ${detail ?? ''}`).not.toMatch(/Zz7|Qq9/);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
