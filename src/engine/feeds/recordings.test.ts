import { expect, test, vi } from 'vitest';
import { compare } from '../../audit/compare.ts';
import { Arrangement } from '../../dataflow/arrangement/arrangement.ts';
import { Listener } from '../../dataflow/graph/observer.ts';
import { blockOf, int4, text } from '../../dataflow/testing/rows.ts';
import { rowLayout } from '../../values/layout.ts';
import { ByteWriter } from '../../wire/bytes.ts';
import type { LiveView } from '../views/live-view.ts';
import { Recordings } from './recordings.ts';
import { realTime } from '../ticks/time.ts';
import { Turns } from '../ticks/turns.ts';

const layout = rowLayout([int4, text]);
const COLUMNS = [
  { name: 'id', type: int4, approximate: false },
  { name: 'body', type: text, approximate: false },
];
const ROWS = [
  ['1', 'short'],
  ['2', 'x'.repeat(1_025)],
];

function view(): LiveView {
  const output = Arrangement.counted(layout);
  output.apply(
    blockOf(
      layout,
      ROWS.map((row) => [row, 1]),
    ),
  );
  return {
    object: 'v',
    columnCount: 2,
    output,
    errors: () => [],
    fault: () => null,
    listen: () => new Listener(layout, new Set()),
    observe: () => () => {},
  };
}

async function audited(): Promise<number> {
  const recordings = new Recordings(new Turns(realTime));
  recordings.begin(1, [view()]);
  return compare(COLUMNS, ROWS, await recordings.contentsAt(1, 'v', 1n)).differences;
}

test('an audit sees a fault of the encoder that writes for clients', async () => {
  expect(await audited()).toBe(0);
  const raw = vi.spyOn(ByteWriter.prototype, 'raw');
  const fault = raw.mockImplementation(function (this: ByteWriter, source, start = 0, end = source.length) {
    // The right length, and other bytes.
    for (let i = start; i < end; i++) this.int8(end - start > 1_024 ? 0 : source[i]!);
  });
  try {
    // The row of theirs, and the one of ours.
    expect(await audited()).toBe(2);
  } finally {
    fault.mockRestore();
  }
});
