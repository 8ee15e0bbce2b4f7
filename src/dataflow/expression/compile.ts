/**
 * One expression → statements of generated JavaScript that leave an Operand. Three-valued logic, strictness and the order of evaluation are Postgres's:
 * arguments are evaluated before a strict function looks for NULLs; CASE, COALESCE, AND and OR stop early. Called by `compile-block.ts`.
 */
import { AssertionError, unreachable } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import { canonicalizer } from '../../values/canonical.ts';
import { baseOid, codecOf, type Value } from '../../values/codec.ts';
import { fail } from '../../values/failure.ts';
import type { RowLayout } from '../../values/layout.ts';
import { valueOrder } from '../../values/order.ts';
import type { Collation, PgType } from '../../values/type.ts';
import type { Call, Expression } from '../../plan/expression.ts';
import type { FallbackCalls } from './fallback.ts';
import { fallbackOf } from './fallback-sql.ts';
import type { Generator, Operand } from './generator.ts';
import { nativeIoCast } from './io-cast.ts';
import { NATIVES } from './natives/table.ts';
import type { CallSite, Native } from './native.ts';
import { isUtc, type SessionSettings } from './session.ts';

export interface Scope {
  readonly generator: Generator;
  readonly inputs: readonly RowLayout[];
  readonly fallback: FallbackCalls;
  readonly session: SessionSettings;
}

type Of<K extends Expression['kind']> = Extract<Expression, { kind: K }>;
type Junction = Extract<Expression, { readonly kind: 'and' | 'or' }>;

export function compile(expression: Expression, scope: Scope): Operand {
  const { generator } = scope;
  switch (expression.kind) {
    case 'column':
      return compileColumn(expression, scope);
    case 'constant':
      return generator.constant(expression.type, expression.text);
    case 'call': {
      const native = nativeOf(expression, scope.session);
      const operands = expression.args.map((arg) => compile(arg, scope));
      return native === undefined
        ? compileFallback(expression, operands, scope)
        : applyStrict(native, operands, expression, scope, expression);
    }
    case 'fallback':
      return compileFallback(
        expression,
        expression.args.map((arg) => compile(arg, scope)),
        scope,
      );
    case 'and':
    case 'or':
      return compileJunction(expression, scope);
    case 'not': {
      const operand = compile(expression.arg, scope);
      return { type: expression.type, isNull: operand.isNull, value: `!${generator.named(operand)}`, cheap: false };
    }
    case 'isNull': {
      const operand = compile(expression.arg, scope);
      return { type: expression.type, isNull: 'false', value: expression.negated ? `!${operand.isNull}` : operand.isNull, cheap: false };
    }
    case 'booleanTest':
      return compileBooleanTest(expression, scope);
    case 'case':
      return compileCase(expression, scope);
    case 'coalesce':
      return compileCoalesce(expression, scope);
    case 'nullIf':
      return compileNullIf(expression, scope);
    case 'isDistinct':
      return compileIsDistinct(expression, scope);
    case 'minMax':
      return compileMinMax(expression, scope);
    case 'anyAll':
      return compileAnyAll(expression, scope);
    case 'relabel':
      return relabelled(compile(expression.arg, scope), expression.type, generator);
    case 'ioCast': {
      const operand = compile(expression.arg, scope);
      const native = nativeIoCast(operand.type, expression.type, scope.session);
      if (native === undefined) return compileFallback(expression, [operand], scope);
      return applyStrict(native, [operand], { args: [expression.arg], type: expression.type }, scope, expression);
    }
    case 'canonical':
      return compileCanonical(expression, scope);
    case 'raise': {
      generator.fails = true;
      const value = `${generator.use(fail, 'fail')}(${JSON.stringify(expression.sqlstate)}, ${JSON.stringify(expression.message)})`;
      return { type: expression.type, isNull: 'false', value, cheap: false };
    }
    case 'outer':
      throw new AssertionError('a plan with a subquery that no rewriting took out');
    default:
      return unreachable(expression);
  }
}

function compileColumn(expression: Of<'column'>, { generator, inputs }: Scope): Operand {
  const first = inputs[0]!.columns.length;
  const side = expression.index < first ? 0 : 1;
  const column = inputs[side]!.columns[side === 0 ? expression.index : expression.index - first]!;
  return generator.column(side === 0 ? 'a' : 'b', column);
}

/** A strict function: NULL where an argument is, else the native's code. */
function applyStrict(native: Native, operands: readonly Operand[], site: CallSite, scope: Scope, expression?: Expression): Operand {
  const { generator } = scope;
  const { type } = site;
  if (native.fails) generator.fails = true;
  if (native.withNulls !== undefined) return { type, ...native.withNulls(generator, operands, site), cheap: false };
  if (operands.some(({ isNull }) => isNull === 'true')) return generator.nothing(type);
  const flags = [...new Set(operands.map(({ isNull }) => isNull).filter((flag) => flag !== 'false'))];
  const code = (): string =>
    native.slots?.(generator, operands, site) ??
    native.code(
      generator,
      operands.map((operand) => generator.named(operand)),
      site,
    );
  if (flags.length === 0 && native.nullable !== true && native.partial !== true) {
    const value = generator.fresh('v');
    generator.emit(`const ${value} = ${code()};`);
    return { type, isNull: 'false', value, cheap: true };
  }
  const variable = generator.variable(type, flags.join(' || ') || 'false');
  const inner = generator.captured(() => {
    if (native.nullable === true || native.partial === true) {
      const raw = generator.fresh('x');
      generator.emit(`let ${raw} = ${code()};`);
      if (native.partial === true) generator.emit(`if (${raw} === undefined) { ${askPostgres(raw, expression!, operands, scope)} }`);
      generator.emit(`if (${raw} === null) ${variable.isNull} = true; else ${variable.value} = ${raw};`);
    } else generator.emit(`${variable.value} = ${code()};`);
  });
  generator.emit(`if (!${variable.isNull}) { ${inner} }`);
  return { type, ...variable, cheap: true };
}

function compileJunction(expression: Junction, scope: Scope): Operand {
  const { generator } = scope;
  const isAnd = expression.kind === 'and';
  const label = generator.fresh('L');
  const value = generator.fresh('v');
  const isNull = generator.fresh('n');
  generator.emit(`let ${value} = ${isAnd}, ${isNull} = false; ${label}: {`);
  for (const arg of expression.args) {
    const operand = compile(arg, scope);
    const decided = `{ ${value} = ${!isAnd}; ${isNull} = false; break ${label}; }`;
    const test = `${isAnd ? '!' : ''}(${operand.value})`;
    if (operand.isNull === 'true') generator.emit(`${isNull} = true;`);
    else if (operand.isNull === 'false') generator.emit(`if (${test}) ${decided}`);
    else generator.emit(`if (${operand.isNull}) ${isNull} = true; else if (${test}) ${decided}`);
  }
  generator.emit('}');
  return { type: expression.type, isNull, value, cheap: true };
}

function compileBooleanTest(expression: Of<'booleanTest'>, scope: Scope): Operand {
  const operand = compile(expression.arg, scope);
  const known = `!${operand.isNull}`;
  const tests = {
    true: `(${known} && ${operand.value})`,
    notTrue: `!(${known} && ${operand.value})`,
    false: `(${known} && !(${operand.value}))`,
    notFalse: `!(${known} && !(${operand.value}))`,
    unknown: operand.isNull,
    notUnknown: known,
  };
  return { type: expression.type, isNull: 'false', value: tests[expression.test], cheap: false };
}

function compileCase(expression: Of<'case'>, scope: Scope): Operand {
  const { generator } = scope;
  const variable = generator.variable(expression.type);
  const label = generator.fresh('L');
  generator.emit(`${label}: {`);
  for (const { when, then } of expression.whens) {
    const test = compile(when, scope);
    if (test.isNull === 'true') continue;
    generator.emit(`if (!${test.isNull} && ${test.value}) {`);
    generator.assign(variable, compile(then, scope));
    generator.emit(`break ${label}; }`);
  }
  generator.assign(variable, compile(expression.otherwise, scope));
  generator.emit('}');
  return { type: expression.type, ...variable, cheap: true };
}

function compileCoalesce(expression: Of<'coalesce'>, scope: Scope): Operand {
  const { generator } = scope;
  const variable = generator.variable(expression.type);
  const label = generator.fresh('L');
  generator.emit(`${label}: {`);
  for (const arg of expression.args) {
    generator.assign(variable, compile(arg, scope));
    generator.emit(`if (!${variable.isNull}) break ${label};`);
  }
  generator.emit('}');
  return { type: expression.type, ...variable, cheap: true };
}

/** `equal(a, b)` as an operand of its own; `=` is strict. */
function compileEqual(
  equal: number,
  pair: readonly [Operand, Operand],
  args: readonly Expression[],
  collation: Collation | undefined,
  scope: Scope,
): Operand {
  const call: Expression = {
    kind: 'call',
    proc: equal,
    procName: '',
    operator: '=',
    args,
    strict: true,
    type: BOOL,
    ...(collation === undefined ? {} : { collation }),
  };
  const native = nativeOf(call, scope.session);
  return native === undefined ? compileFallback(call, pair, scope) : applyStrict(native, pair, call, scope);
}

const BOOL: PgType = { oid: 16, name: 'boolean', kind: 'base', storage: 'bool', typmod: -1 };

function compileNullIf(expression: Of<'nullIf'>, scope: Scope): Operand {
  const { generator } = scope;
  const pair = expression.args.map((arg) => compile(arg, scope)) as [Operand, Operand];
  const equal = compileEqual(expression.equal, pair, expression.args, expression.collation, scope);
  const isNull = generator.fresh('n');
  generator.emit(`const ${isNull} = ${pair[0].isNull} || (!${equal.isNull} && ${equal.value});`);
  return { ...pair[0], type: expression.type, isNull };
}

function compileIsDistinct(expression: Of<'isDistinct'>, scope: Scope): Operand {
  const { generator } = scope;
  const [a, b] = expression.args.map((arg) => compile(arg, scope)) as [Operand, Operand];
  const equal = compileEqual(expression.equal, [a, b], expression.args, expression.collation, scope);
  const value = generator.fresh('v');
  generator.emit(`const ${value} = ${a.isNull} || ${b.isNull} ? ${a.isNull} !== ${b.isNull} : !(${equal.value});`);
  return { type: expression.type, isNull: 'false', value, cheap: true };
}

function compileMinMax(expression: Of<'minMax'>, scope: Scope): Operand {
  const { generator } = scope;
  const variable = generator.variable(expression.type);
  const order = generator.use(valueOrder(expression.type, expression.collation), 'order');
  // Every argument is evaluated; of equals the first stays.
  for (const arg of expression.args) {
    const operand = compile(arg, scope);
    if (operand.isNull === 'true') continue;
    const inner = generator.captured(() => {
      const name = generator.named(operand);
      const better = `${order}(${name}, ${variable.value}) ${expression.which === 'greatest' ? '>' : '<'} 0`;
      generator.emit(`if (${variable.isNull} || ${better}) { ${variable.value} = ${name}; ${variable.isNull} = false; }`);
    });
    generator.emit(`if (!${operand.isNull}) { ${inner} }`);
  }
  return { type: expression.type, ...variable, cheap: true };
}

/** `=` of a type with itself, and its `<>`, where `setKey` makes equal values one (int2/4/8, date, times, bool, uuid, text and varchar under C-like equality, oid, enums, numeric, float8, bpchar). */
const SET_EQUALITIES: ReadonlySet<number> = new Set([65, 63, 467, 1086, 2052, 1152, 1145, 60, 2956, 67, 184, 3508, 1718, 293, 1048]);
const SET_INEQUALITIES: ReadonlySet<number> = new Set([144, 145, 468, 1091, 2053, 1153, 1146, 84, 2961, 157, 185, 3509, 1719, 295, 1053]);
/** Each is code of its own in a function: more than these take minutes to compile. */
const ELEMENTS_COMPILED_MAX = 2_000;
const SET_SIZE_MIN = 4;

function compileAnyAll(expression: Of<'anyAll'>, scope: Scope): Operand {
  const { generator } = scope;
  const { type } = expression;
  const isAny = expression.quantifier === 'any';
  const left = compile(expression.left, scope);
  if (expression.elements.length === 0) return generator.constant(type, isAny ? 'f' : 't');
  const elements = expression.elements.map((element) => compile(element, scope));
  const isSetTest = (isAny ? SET_EQUALITIES : SET_INEQUALITIES).has(expression.proc) && expression.collation?.deterministic !== false;
  if (isSetTest && elements.length >= SET_SIZE_MIN) {
    const constants = elements.flatMap(({ constant }) => (constant === undefined ? [] : [constant]));
    const nulls = elements.filter(({ isNull }) => isNull === 'true').length;
    if (constants.length + nulls === elements.length && left.isNull !== 'true') {
      const key = setKey(left.type);
      const set = generator.use(new Set<Value>(key === undefined ? constants : constants.map(key)), 'set');
      const asked = key === undefined ? left.value : `${generator.use(key, 'key')}(${left.value})`;
      const variable = generator.variable(type, left.isNull);
      // Not found, and a NULL is among them: nobody knows.
      const miss = nulls > 0 ? `${variable.isNull} = ${isAny ? '!' : ''}${variable.value};` : '';
      generator.emit(`if (!${variable.isNull}) { ${variable.value} = ${isAny ? '' : '!'}${set}.has(${asked}); ${miss} }`);
      return { type, ...variable, cheap: true };
    }
  }
  if (elements.length > ELEMENTS_COMPILED_MAX)
    throw millraceError('STATEMENT_TREE_TOO_LARGE', { what: 'comparisons', is: elements.length, max: ELEMENTS_COMPILED_MAX });
  const label = generator.fresh('L');
  const value = generator.fresh('v');
  const isNull = generator.fresh('n');
  generator.emit(`let ${value} = ${!isAny}, ${isNull} = false; ${label}: {`);
  elements.forEach((element, i) => {
    const call: Expression = {
      kind: 'call',
      proc: expression.proc,
      procName: expression.procName,
      args: [expression.left, expression.elements[i]!],
      strict: true,
      type,
      ...(expression.collation === undefined ? {} : { collation: expression.collation }),
    };
    const native = nativeOf(call, scope.session);
    const test = native === undefined ? compileFallback(call, [left, element], scope) : applyStrict(native, [left, element], call, scope);
    generator.emit(
      `if (${test.isNull}) ${isNull} = true; else if (${isAny ? '' : '!'}(${test.value})) { ${value} = ${isAny}; ${isNull} = false; break ${label}; }`,
    );
  });
  generator.emit('}');
  return { type, isNull, value, cheap: true };
}

/** Equal values, one primitive; undefined: the value itself. */
function setKey(type: PgType): ((value: Value) => Value) | undefined {
  const canonical = canonicalizer(type) as ((value: Value) => Value) | undefined;
  if (canonical === undefined || type.storage !== 'numeric') return canonical;
  const codec = codecOf(type);
  return (value) => codec.format(canonical(value));
}

function relabelled(operand: Operand, type: PgType, generator: Generator): Operand {
  const unsigned = (oid: number): boolean => oid === 26 || oid === 28;
  if (type.storage !== 'int32' || unsigned(baseOid(operand.type)) === unsigned(baseOid(type))) return { ...operand, type };
  const { constant: _, ...rest } = operand;
  return { ...rest, type, value: `(${generator.named(operand)} ${unsigned(baseOid(type)) ? '>>>' : '|'} 0)`, cheap: false };
}

function compileCanonical(expression: Of<'canonical'>, scope: Scope): Operand {
  const operand = compile(expression.arg, scope);
  const canonical = canonicalizer(expression.type);
  if (canonical === undefined) return { ...operand, type: expression.type };
  const native: Native = {
    name: 'canonical',
    fails: false,
    code: (generator, [value]) => `${generator.use(canonical, 'canonical')}(${value})`,
  };
  return applyStrict(native, [operand], { args: [expression.arg], type: expression.type }, scope);
}

function compileFallback(expression: Expression, operands: readonly Operand[], scope: Scope): Operand {
  const { generator } = scope;
  const { type } = expression;
  const { strict } = fallbackOf(expression, scope.session);
  generator.fails = true;
  if (strict && operands.some(({ isNull }) => isNull === 'true')) return generator.nothing(type);
  const flags = strict ? [...new Set(operands.map(({ isNull }) => isNull).filter((flag) => flag !== 'false'))] : [];
  const variable = generator.variable(type, flags.join(' || ') || 'false');
  const answer = generator.fresh('x');
  generator.emit(`if (!${variable.isNull}) {
    let ${answer}; ${askPostgres(answer, expression, operands, scope)}
    if (${answer} === null) ${variable.isNull} = true; else ${variable.value} = ${answer}; }`);
  return { type, ...variable, cheap: true };
}

/** Statements that set `target` to Postgres's answer for the operands. Not known yet: this row waits until the whole block's questions have been asked at once. */
function askPostgres(
  target: string,
  expression: Expression,
  operands: readonly Operand[],
  { generator, fallback, session }: Scope,
): string {
  const types = operands.map((operand) => operand.type);
  const memo = generator.use(fallback.add(fallbackOf(expression, session).sql, types, expression.type), 'memo');
  const args = operands.map(({ isNull, value }) =>
    isNull === 'true' ? 'null' : isNull === 'false' ? value : `${isNull} ? null : ${value}`,
  );
  return `${target} = ${memo}.answer([${args.join(', ')}]); if (${target} === undefined) { aside[asideCount++] = i; continue rows; }`;
}

/** undefined: asked of Postgres. */
function nativeOf(call: Call, session: SessionSettings): Native | undefined {
  const native = NATIVES.get(call.proc);
  if (native === undefined || (native.zoned === true && !isUtc(session.timeZone))) return undefined;
  return native.covers?.(call) === false ? undefined : native;
}
