import { expect, test } from 'vitest';
import fc from 'fast-check';
import type { Expression } from '../../plan/expression.ts';
import { factored } from './factored.ts';

const BOOL = { oid: 16, name: 'boolean', kind: 'base', storage: 'bool', typmod: -1 } as const;
const column = (index: number): Expression => ({ kind: 'column', index, type: BOOL });
const and = (...args: Expression[]): Expression => ({ kind: 'and', args, type: BOOL });
const or = (...args: Expression[]): Expression => ({ kind: 'or', args, type: BOOL });
const [a, b, c, d] = [0, 1, 2, 3].map(column) as [Expression, Expression, Expression, Expression];

test.each<[string, Expression, Expression[]]>([
  ['what all branches ask stands in front', or(and(a, b), and(c, a)), [a, or(b, c)]],
  ['more than one part, in any order', or(and(a, b, c), and(d, b, a)), [a, b, or(c, d)]],
  ['a branch that is the common part alone makes the others needless', or(a, and(a, b)), [a]],
  ['nothing in common', or(and(a, b), and(c, d)), [or(and(a, b), and(c, d))]],
  ['conjuncts are taken apart at every depth', and(a, and(b, or(and(c, d), and(d, c)))), [a, b, c, d]],
])('%s', (_, written, parts) => expect(factored(written)).toEqual(parts));

type Truth = boolean | null;
function value(expression: Expression, row: readonly Truth[]): Truth {
  if (expression.kind === 'column') return row[expression.index]!;
  if (expression.kind !== 'and' && expression.kind !== 'or') throw new Error(expression.kind);
  const values = expression.args.map((arg) => value(arg, row));
  const decides = expression.kind === 'or';
  return values.includes(decides) ? decides : values.includes(null) ? null : !decides;
}

test('the value stays the same, NULL included', () => {
  const { tree } = fc.letrec<{ tree: Expression }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.constantFrom(a, b, c, d),
      fc.array(tie('tree'), { minLength: 2, maxLength: 3 }).map((args) => and(...args)),
      fc.array(tie('tree'), { minLength: 2, maxLength: 3 }).map((args) => or(...args)),
    ),
  }));
  const truth = fc.constantFrom<Truth>(true, false, null);
  fc.assert(
    fc.property(tree, fc.tuple(truth, truth, truth, truth), (written, row) => {
      expect(value(and(...factored(written)), row)).toBe(value(written, row));
    }),
    { numRuns: 1_000 },
  );
});
