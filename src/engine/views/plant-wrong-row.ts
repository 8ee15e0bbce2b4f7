/** For the proof that an audit finds a wrong row: one more of some row of a view. Only in tests; asked for by `SET`. */
import { assert } from '../../base/assert.ts';
import type { Arrangement } from '../../dataflow/arrangement/arrangement.ts';

export function plantWrongRow({ memory }: Arrangement): void {
  assert(process.env['MILLRACE_TEST_FAULTS'] === '1', 'only for tests');
  for (let id = 1; id < memory.idEnd; id++) {
    if (memory.weight(id) <= 0) continue;
    memory.words[memory.header(id)] = memory.weight(id) + 1;
    return;
  }
}
