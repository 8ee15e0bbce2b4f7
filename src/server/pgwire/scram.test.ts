import { expect, test } from 'vitest';
import { madeUpVerifier, saslPrepared, ScramExchange, scramVerifier } from './scram.ts';

/** The example of RFC 7677, section 3. */
const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const serverNonce = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
const clientFirst = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO';
const clientFinal = 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';

test('the exchange of RFC 7677', () => {
  const exchange = new ScramExchange(scramVerifier('pencil', salt, 4096), serverNonce);
  expect(exchange.first(clientFirst)).toBe('r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096');
  expect(exchange.final(clientFinal)).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
});

test('another password refuses the same proof', () => {
  const exchange = new ScramExchange(scramVerifier('pencils', salt, 4096), serverNonce);
  exchange.first(clientFirst);
  expect(exchange.final(clientFinal)).toBeUndefined();
});

test.each([
  ['a nonce that is not ours', clientFinal.replace('$k0', '$k1')],
  ['another channel binding', clientFinal.replace('c=biws', 'c=eSws')],
  ['a short proof', 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA'],
  ['no proof', 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'],
])('%s is a protocol violation', (_, final) => {
  const exchange = new ScramExchange(scramVerifier('pencil', salt, 4096), serverNonce);
  exchange.first(clientFirst);
  expect(() => exchange.final(final)).toThrow(expect.objectContaining({ sqlstate: '08P01' }));
});

test('an unknown user is shown the same salt each time', () => {
  expect(madeUpVerifier('nobody').salt).toEqual(madeUpVerifier('nobody').salt);
  expect(madeUpVerifier('nobody').salt).not.toEqual(madeUpVerifier('somebody').salt);
});

test.each([
  ['pencil', 'pencil'],
  ['a\u00A0b', 'a b'],
  ['I\u00ADX', 'IX'],
  ['\u2168', 'IX'],
])('password %j is prepared as %j', (written, prepared) => expect(saslPrepared(written)).toBe(prepared));
