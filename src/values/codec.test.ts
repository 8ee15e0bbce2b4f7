/** Text as Postgres prints it → slot → the same text, for every storage; and the slot tells identical values from others. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codecOf } from './codec.ts';
import { pgType, Postgres, sqlLiteral } from './testing/postgres.ts';
import { edges, sample, seeded } from './testing/samples.ts';
import type { RowSpace } from './space.ts';

function space(): RowSpace {
  const buffer = new ArrayBuffer(16);
  return {
    words: new Int32Array(buffer),
    doubles: new Float64Array(buffer),
    heap: new Uint8Array(1 << 16),
    allocateHeap: () => 8,
  };
}

const TYPES = [
  'boolean',
  'smallint',
  'integer',
  'bigint',
  'oid',
  'real',
  'double precision',
  'numeric',
  'text',
  'character varying',
  'bytea',
  'date',
  'time without time zone',
  'timestamp without time zone',
  'timestamp with time zone',
  'interval',
  'uuid',
  'jsonb',
];

let postgres: Postgres;
beforeAll(async () => {
  postgres = await Postgres.start();
});
afterAll(() => postgres.close());

/** Through the slot: bytes → words → value → words → value → text. */
function roundTrip(typeName: string, text: string): string {
  const codec = codecOf(pgType(typeName));
  const first = space();
  const bytes = Buffer.from(`<${text}>`);
  codec.decode(bytes, 1, bytes.length - 1, first, 0);
  const second = space();
  codec.write(codec.read(first, 0), second, 0);
  expect([...second.words], `${typeName} '${text}' has one form`).toEqual([...first.words]);
  const third = space();
  codec.write(codec.parse(text), third, 0);
  expect([...third.words], `${typeName} '${text}' is parsed as it is decoded`).toEqual([...first.words]);
  return codec.format(codec.read(second, 0));
}

describe.each(TYPES)('%s', (typeName) => {
  test('what Postgres prints comes back the same', async () => {
    const random = seeded(typeName.length);
    const inputs = [...edges(typeName), ...Array.from({ length: 800 }, () => sample(typeName, random)), ...extra(typeName)];
    const printed = await postgres.answers(inputs.map((text) => sqlLiteral(text, typeName)));
    const differences: string[] = [];
    printed.forEach((answer, i) => {
      if ('error' in answer) return void differences.push(`${inputs[i]!}: ${answer.error}`);
      const again = roundTrip(typeName, answer.text!);
      if (again !== answer.text) differences.push(`${inputs[i]!}: ${again}, Postgres ${answer.text!}`);
    });
    expect(differences).toEqual([]);
  });
});

/** Every power of two and its neighbours: where the shortest digits are hardest. */
function extra(typeName: string): string[] {
  const texts: string[] = [];
  if (typeName === 'real') {
    const view = new DataView(new ArrayBuffer(4));
    for (let exponent = 0; exponent < 255; exponent++) {
      for (const fraction of [0, 1, 0x7fffff]) {
        view.setUint32(0, (exponent << 23) | fraction);
        if (exponent > 0 || fraction > 0) texts.push(String(view.getFloat32(0)));
      }
    }
  }
  if (typeName === 'double precision') {
    const view = new DataView(new ArrayBuffer(8));
    for (let exponent = 0; exponent < 2047; exponent += exponent > 1060 && exponent < 1110 ? 1 : 7) {
      for (const fraction of [0n, 1n, 0xfffffffffffffn]) {
        view.setBigUint64(0, (BigInt(exponent) << 52n) | fraction);
        if (exponent > 0 || fraction > 0n) texts.push(String(view.getFloat64(0)));
      }
    }
    for (let power = 15; power <= 24; power++) for (let digit = 1; digit <= 9; digit++) texts.push(`${digit}e${power}`);
  }
  return texts;
}
