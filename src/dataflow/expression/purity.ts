/**
 * What can be said of an expression before it runs: can it fail (then it may not be moved below a join or a filter), is it all native (latency), and how
 * exact is it against the upstream. Conservative: unknown functions can fail. Float aggregates are the planner's. Called by the planner and the graph.
 */
import { partsOf } from '../../plan/walk.ts';
import { ordersByBytes } from '../../values/order.ts';
import type { Collation, PgType } from '../../values/type.ts';
import type { Call, Expression } from '../../plan/expression.ts';
import type { Exactness } from '../../plan/exactness.ts';
import { nativeIoCast } from './io-cast.ts';
import type { Native } from './native.ts';
import { nativeOf } from './natives/table.ts';
import { UTC_SESSION, type SessionSettings } from './session.ts';

export function canFail(expression: Expression, session: SessionSettings = UTC_SESSION): boolean {
  return someNode(expression, (node) => {
    if (node.kind === 'fallback') return true;
    const native = implementation(node, session);
    return native === 'fallback' || (native !== 'node' && native.fails);
  });
}

export function isNative(expression: Expression, session: SessionSettings = UTC_SESSION): boolean {
  return !someNode(expression, (node) => implementation(node, session) === 'fallback');
}

const ORDERED: readonly Exactness[] = ['exact', 'float_aggregate', 'text_order', 'last_digit', 'settings', 'version'];

/** The weaker of two. */
export function weakest(a: Exactness, b: Exactness): Exactness {
  return ORDERED.indexOf(a) >= ORDERED.indexOf(b) ? a : b;
}

export function exactnessOf(expression: Expression, session: SessionSettings = UTC_SESSION): Exactness {
  return partsOf(expression).reduce<Exactness>(
    (worst, child) => weakest(worst, exactnessOf(child, session)),
    ownExactness(expression, session),
  );
}

/** Of an order of values of this type: sort keys, min and max, greatest and least. */
export function orderExactness(type: PgType, collation: Collation | undefined = type.collation): Exactness {
  if (type.storage !== 'text' || collation === undefined || (type.base ?? type).labels !== undefined) return 'exact';
  return ordersByBytes(collation) || collation.provider === 'icu' ? 'exact' : 'text_order';
}

function ownExactness(node: Expression, session: SessionSettings): Exactness {
  if (node.kind === 'fallback') return node.exactness ?? 'exact';
  if (node.kind === 'minMax') return orderExactness(node.type, node.collation);
  if (node.kind === 'ioCast') return readsSettings(node.arg.type) || readsSettings(node.type) ? 'settings' : 'exact';
  const call = callOf(node);
  if (call === undefined) return 'exact';
  const native = nativeOf(call, session);
  if (native !== undefined) return native.exactness?.(call) ?? 'exact';
  if (LAST_DIGIT.has(call.proc)) return 'last_digit';
  if (UNICODE.has(call.proc)) return call.collation === undefined || call.collation.provider === 'c' ? 'exact' : 'last_digit';
  return STABLE.has(call.proc) ? 'settings' : 'exact';
}

/** Types whose text form is a matter of DateStyle, IntervalStyle, TimeZone, extra_float_digits or bytea_output: date and time types, floats, bytea, money. */
const SETTINGS_TYPES: ReadonlySet<number> = new Set([1082, 1114, 1184, 1186, 1266, 700, 701, 17, 790]);

function readsSettings(type: PgType): boolean {
  return SETTINGS_TYPES.has(type.base?.oid ?? type.oid) || (type.element !== undefined && readsSettings(type.element));
}

function implementation(node: Expression, session: SessionSettings): Native | 'fallback' | 'node' {
  if (node.kind === 'fallback') return 'fallback';
  if (node.kind === 'ioCast') return nativeIoCast(node.arg.type, node.type, session) ?? 'fallback';
  const call = callOf(node);
  return call === undefined ? 'node' : (nativeOf(call, session) ?? 'fallback');
}

/** The function that a node calls, itself or for its comparison. */
function callOf(node: Expression): Call | undefined {
  switch (node.kind) {
    case 'call':
      return node;
    case 'nullIf':
    case 'isDistinct':
      return { kind: 'call', proc: node.equal, procName: '', args: node.args, strict: true, type: BOOL, ...collated(node.collation) };
    case 'anyAll':
      return {
        kind: 'call',
        proc: node.proc,
        procName: node.procName,
        args: [node.left, ...node.elements.slice(0, 1)],
        strict: true,
        type: node.type,
        ...collated(node.collation),
      };
    default:
      return undefined;
  }
}

const BOOL: PgType = { oid: 16, name: 'boolean', kind: 'base', storage: 'bool', typmod: -1 };
const collated = (collation: Collation | undefined): { collation?: Collation } => (collation === undefined ? {} : { collation });

function someNode(expression: Expression, test: (node: Expression) => boolean): boolean {
  return test(expression) || partsOf(expression).some((child) => someNode(child, test));
}

/** Transcendental float8 functions: the C libraries differ in the last digit. */
const LAST_DIGIT: ReadonlySet<number> = new Set([
  1601, 2732, 2466, 1600, 2731, 2465, 1602, 1603, 2734, 2733, 2467, 231, 1345, 1605, 2736, 2463, 1607, 2738, 233, 1347, 232, 1346, 1368,
  6219, 6220, 6383, 6384, 1604, 2735, 2462, 1606, 2737, 2464,
]);

/** Regular expressions, and case mapping without a native form: letters beyond ASCII are the C library's. */
const UNICODE: ReadonlySet<number> = new Set([
  870, 871, 872, 1254, 1256, 1238, 1239, 2073, 2074, 2284, 2285, 6251, 6252, 6253, 2763, 2764, 2765, 2766, 3396, 3397, 6254, 6255, 6256,
  6257, 6258, 6259, 6260, 6261, 6262, 6263,
]);

/** STABLE functions of data (never of the clock): their answer depends on the session's settings, which the view captures. */
const STABLE: ReadonlySet<number> = new Set([
  2003, 2004, 3153, 3154, 384, 395, 1714, 1717, 3058, 3059, 3539, 3540, 3198, 3200, 3271, 3273, 3155, 3156, 3811, 3812, 3823, 3824, 1305,
  1306, 1307, 5001, 3751, 3750, 3749, 4209, 4210, 5009, 3745, 3746, 3747, 1768, 1770, 1772, 1773, 1774, 1775, 1776, 2049, 1777, 1778, 1780,
  3176, 3787, 1285, 1290, 2037, 6334, 6335, 6336, 1388, 2047, 3462, 3463, 1171, 1217, 6203, 1174, 1178, 2019, 2027, 2028, 1189, 1190, 6221,
  6223, 2549, 1177, 2030, 1179, 1180, 2023, 2896, 3051,
]);
