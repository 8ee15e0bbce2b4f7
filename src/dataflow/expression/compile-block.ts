/**
 * A filter and a projection over one or two rows, as one generated loop over a block (`contract.ts`). Called by the dataflow graph, once a view's step.
 * A failing row becomes an error entry with its weight; a row that needs Postgres itself waits for its batch (`fallback.ts`).
 */
import { assert } from '../../base/assert.ts';
import { ValueFailure } from '../../values/failure.ts';
import { writeInt64 } from '../../values/int64.ts';
import { writeInterval } from '../../values/interval.ts';
import type { ColumnLayout } from '../../values/layout.ts';
import { copyNumeric, writeNumeric } from '../../values/numeric.ts';
import { copyText, writeText } from '../../values/text.ts';
import { STORAGE_WORDS } from '../../values/type.ts';
import { writeUuid } from '../../values/uuid.ts';
import type { BlockFunction, BlockSpec, Evaluator, PredicateFunction } from './contract.ts';
import { compile, type Scope } from './compile.ts';
import { FallbackCalls } from './fallback.ts';
import { Generator, type Operand } from './generator.ts';
import { UTC_SESSION, type SessionSettings } from './session.ts';

/** `session`: what the view captured at CREATE. */
export function compileBlock(spec: BlockSpec, evaluator?: Evaluator, session: SessionSettings = UTC_SESSION): BlockFunction {
  assert(spec.outputs.length === spec.output.columns.length, 'one output expression a column');
  const scope = scopeOf(spec, evaluator, session);
  const { generator } = scope;
  const body = generator.captured(() => {
    writeWhere(spec, scope);
    const operands = spec.outputs.map((output) => compile(output, scope));
    writeRow(operands, spec.output.columns, generator);
  });
  return finishLoop<BlockFunction>('out', body, scope);
}

export function compilePredicate(
  spec: Pick<BlockSpec, 'inputs' | 'where'>,
  evaluator?: Evaluator,
  session: SessionSettings = UTC_SESSION,
): PredicateFunction {
  const scope = scopeOf(spec, evaluator, session);
  const body = scope.generator.captured(() => {
    scope.generator.emit('pass[i] = 0;');
    writeWhere(spec, scope);
    scope.generator.emit('pass[i] = 1;');
  });
  return finishLoop<PredicateFunction>('pass', body, scope);
}

function scopeOf(spec: Pick<BlockSpec, 'inputs'>, evaluator: Evaluator | undefined, session: SessionSettings): Scope {
  return { generator: new Generator(), inputs: spec.inputs, fallback: new FallbackCalls(evaluator), session };
}

function writeWhere(spec: Pick<BlockSpec, 'where'>, scope: Scope): void {
  for (const predicate of spec.where) {
    const operand = compile(predicate, scope);
    if (operand.isNull === 'true') scope.generator.emit('continue rows;');
    else if (operand.isNull === 'false') scope.generator.emit(`if (!(${operand.value})) continue rows;`);
    else scope.generator.emit(`if (${operand.isNull} || !(${operand.value})) continue rows;`);
  }
}

type Run = (...args: [...Parameters<BlockFunction>, order: Int32Array | null, aside: Int32Array]) => number;

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- decided by `target`
function finishLoop<F extends BlockFunction | PredicateFunction>(target: 'out' | 'pass', body: string, { generator, fallback }: Scope): F {
  const failure = generator.use(ValueFailure, 'ValueFailure');
  const guarded = generator.fails
    ? `try { ${body} } catch (thrown) { if (!(thrown instanceof ${failure})) throw thrown; errors.add(thrown.sqlstate, thrown.message, weights[i]); }`
    : body;
  const views = 'const aw = a.words, ad = a.doubles, ah = a.heap, bw = b.words, bd = b.doubles, bh = b.heap;';
  const row = 'const ra = rowsA[i], rb = rowsB[i];';
  if (!fallback.used) {
    return generator.finish<F>(`function run(a, rowsA, b, rowsB, weights, n, ${target}, errors) {
${views}
rows: for (let i = 0; i < n; i++) { ${row}
${guarded}
} }`);
  }
  const run = generator.finish<Run>(`function run(a, rowsA, b, rowsB, weights, n, ${target}, errors, order, aside) {
${views}
let asideCount = 0;
rows: for (let j = 0; j < n; j++) { const i = order === null ? j : order[j]; ${row}
${guarded}
}
return asideCount; }`);
  return untilAnswered(run, fallback) as unknown as F;
}

/** Runs the block, then again what was set aside, until nothing is. */
function untilAnswered(run: Run, fallback: FallbackCalls): BlockFunction {
  return (a, rowsA, b, rowsB, weights, n, target, errors) => {
    let order: Int32Array | null = null;
    let count = n;
    for (;;) {
      const aside = new Int32Array(count);
      const waiting: number = run(a, rowsA, b, rowsB, weights, count, target, errors, order, aside);
      if (waiting === 0) break;
      fallback.evaluate();
      order = aside;
      count = waiting;
    }
    fallback.trim();
  };
}

/** Appends the row: plain words first, then what may allocate heap (each through a function that reads the views afresh). */
function writeRow(operands: readonly Operand[], columns: readonly ColumnLayout[], generator: Generator): void {
  generator.emit('const o = out.push(weights[i]); const ow = out.words, od = out.doubles;');
  const nullWords = new Map<number, string[]>();
  const late: string[] = [];
  operands.forEach((operand, index) => {
    const column = columns[index]!;
    assert(operand.type.storage === column.storage, `output ${index}: ${operand.type.storage} into ${column.storage}`);
    if (operand.isNull !== 'false') {
      const bits = nullWords.get(column.nullWord) ?? [];
      bits.push(operand.isNull === 'true' ? String(column.nullBit) : `(${operand.isNull} ? ${column.nullBit} : 0)`);
      nullWords.set(column.nullWord, bits);
    }
    if (operand.isNull === 'true') return;
    const statement = storeStatement(operand, column, generator);
    const guarded = operand.isNull === 'false' ? statement : `if (!${operand.isNull}) { ${statement} }`;
    if (column.storage === 'text' || column.storage === 'numeric') late.push(guarded);
    else generator.emit(guarded);
  });
  for (const [word, bits] of nullWords) generator.emit(`ow[o + ${word}] = ${bits.join(' | ')};`);
  for (const statement of late) generator.emit(statement);
}

function storeStatement(operand: Operand, column: ColumnLayout, generator: Generator): string {
  const at = `o + ${column.offset}`;
  const { slot, value } = operand;
  switch (column.storage) {
    case 'bool':
      return `ow[${at}] = ${value} ? 1 : 0;`;
    case 'int32':
      return `ow[${at}] = ${value};`;
    case 'float64':
      return `{ const x = ${value}; od[(${at}) >> 1] = x === x ? x : NaN; }`;
    case 'int64':
    case 'uuid':
    case 'interval': {
      if (slot !== undefined) {
        let copy = '';
        for (let word = 0; word < STORAGE_WORDS[column.storage]; word++)
          copy += `ow[${at} + ${word}] = ${slot.words}[${slot.at} + ${word}];`;
        return copy;
      }
      if (column.storage === 'int64') return `${generator.fn(writeInt64)}(ow, ${at}, ${value});`;
      return `${generator.fn(column.storage === 'uuid' ? writeUuid : writeInterval)}(${value}, ow, ${at});`;
    }
    case 'numeric':
      if (slot !== undefined) return `${generator.fn(copyNumeric)}(${slot.words}, ${slot.heap}, ${slot.at}, out, ${at});`;
      return `${generator.fn(writeNumeric)}(${value}, out, ${at});`;
    case 'text':
      if (slot !== undefined) return `${generator.fn(copyText)}(${slot.words}, ${slot.heap}, ${slot.at}, out, ${at});`;
      return `${generator.fn(writeText)}(${value}, out, ${at});`;
  }
}
