/**
 * Comparison operators of the scalar types. Equality of text compares bytes and never decodes them; its order follows the collation.
 * A row of the table: the OIDs of =, <>, <, <=, >, >= (0 = there is none).
 */
import { canonicalizer } from '../../../values/canonical.ts';
import { compareInterval } from '../../../values/interval.ts';
import { compareNumeric } from '../../../values/numeric.ts';
import { compareFloat, ordersByBytes, textOrder, valueOrder } from '../../../values/order.ts';
import { compareText, INLINE_BYTES_MAX, sameText } from '../../../values/text.ts';
import type { Exactness } from '../../../plan/exactness.ts';
import { sameWords, type Generator, type Operand } from '../generator.ts';
import type { CallSite, Native, NativeTable } from '../native.ts';

const SYMBOLS = ['===', '!==', '<', '<=', '>', '>='] as const;
type Oids = readonly [eq: number, ne: number, lt: number, le: number, gt: number, ge: number];

function family(name: string, oids: Oids, make: (symbol: (typeof SYMBOLS)[number]) => Native): NativeTable {
  return oids.flatMap((oid, i) => (oid === 0 ? [] : [[oid, { ...make(SYMBOLS[i]!), name: `${name} ${SYMBOLS[i]!}` }] as const]));
}

/** Values whose `===` and `<` in JavaScript are the type's own. */
const plain = (symbol: string): Native => ({ name: '', fails: false, code: (_generator, [a, b]) => `${a} ${symbol} ${b}` });

/** A comparison function < 0, 0, > 0. */
const by =
  (compare: (a: never, b: never) => number) =>
  (symbol: string): Native => ({
    name: '',
    fails: false,
    code: (generator, [a, b]) => `${generator.use(compare, compare.name)}(${a}, ${b}) ${symbol} 0`,
  });

/** NaN equals itself and is the greatest. */
function float(symbol: string): Native {
  return {
    name: '',
    fails: false,
    code: (generator, [a, b]) => {
      const slow = `${generator.use(compareFloat, 'compareFloat')}(${a}, ${b}) ${symbol} 0`;
      // NaN makes the quick answer wrong, and only NaN does.
      return `(${a} === ${a} && ${b} === ${b} ? ${a} ${symbol} ${b} : ${slow})`;
    },
  };
}

const uuid = (symbol: string): Native => ({
  ...plain(symbol),
  slots: (_generator, [a, b]) => {
    if (a?.slot === undefined || b?.slot === undefined || (symbol !== '===' && symbol !== '!==')) return undefined;
    return `${symbol === '!==' ? '!' : ''}${sameWords(a.type, a.slot, b.slot)}`;
  },
});

function sameTextCode(generator: Generator, a: Operand, b: Operand): string | undefined {
  if (a.slot === undefined || b.slot === undefined) return undefined;
  const [constant, other] = a.constant === undefined ? [b, a] : [a, b];
  if (typeof constant.constant === 'string' && Buffer.byteLength(constant.constant) <= INLINE_BYTES_MAX) {
    const { words, at } = other.slot!;
    const bytes = Buffer.alloc(INLINE_BYTES_MAX);
    bytes.write(constant.constant);
    const tests = [`${words}[${at}] === ${Buffer.byteLength(constant.constant)}`];
    for (let word = 0; word < 3; word++) {
      // Words beyond the bytes are zero in both: the length has said so already.
      if (word * 4 < Buffer.byteLength(constant.constant)) tests.push(`${words}[${at} + ${word + 1}] === ${bytes.readInt32LE(word * 4)}`);
    }
    return `(${tests.join(' && ')})`;
  }
  return `${generator.use(sameText, 'sameText')}(${a.slot.words}, ${a.slot.heap}, ${a.slot.at}, ${b.slot.words}, ${b.slot.heap}, ${b.slot.at})`;
}

function byCollation({ collation }: CallSite): Exactness {
  return ordersByBytes(collation) || collation?.provider === 'icu' ? 'exact' : 'text_order';
}

function text(symbol: string): Native {
  const equality = symbol === '===' || symbol === '!==';
  return {
    name: '',
    fails: false,
    code: (generator, [a, b], { collation }) => {
      if (equality && collation?.deterministic !== false) return `${a} ${symbol} ${b}`;
      return `${generator.use(textOrder(collation), 'textOrder')}(${a}, ${b}) ${symbol} 0`;
    },
    slots: (generator, [a, b], { collation }) => {
      if (a === undefined || b === undefined) return undefined;
      if (equality) {
        const same = collation?.deterministic === false ? undefined : sameTextCode(generator, a, b);
        return same === undefined ? undefined : `${symbol === '!==' ? '!' : ''}${same}`;
      }
      if (a.slot === undefined || b.slot === undefined || !ordersByBytes(collation)) return undefined;
      const compare = generator.use(compareText, 'compareText');
      return `${compare}(${a.slot.words}, ${a.slot.heap}, ${a.slot.at}, ${b.slot.words}, ${b.slot.heap}, ${b.slot.at}) ${symbol} 0`;
    },
    exactness: (site) => (equality ? 'exact' : byCollation(site)),
  };
}

/** Trailing blanks do not count. */
function bpchar(symbol: string): Native {
  const plainText = text(symbol);
  const trim = canonicalizer({ oid: 1042, name: 'character', kind: 'base', storage: 'text', typmod: -1 })!;
  return {
    name: '',
    fails: false,
    code: (generator, args, site) =>
      plainText.code(
        generator,
        args.map((arg) => `${generator.use(trim, 'trimBlanks')}(${arg})`),
        site,
      ),
    exactness: plainText.exactness!,
  };
}

/** Labels are words; their order is the type's. */
function enumeration(symbol: string): Native {
  const plainText = text(symbol);
  if (symbol === '===' || symbol === '!==') return { ...plainText, exactness: () => 'exact' };
  return {
    name: '',
    fails: false,
    covers: ({ args }) => (args[0]!.type.base ?? args[0]!.type).labels !== undefined,
    code: (generator, [a, b], { args }) => `${generator.use(valueOrder(args[0]!.type), 'enumOrder')}(${a}, ${b}) ${symbol} 0`,
  };
}

export const compareNatives: NativeTable = [
  // int2/4/8 with one another
  ...family('int2', [63, 145, 64, 148, 146, 151], plain),
  ...family('int4', [65, 144, 66, 149, 147, 150], plain),
  ...family('int8', [467, 468, 469, 471, 470, 472], plain),
  ...family('int24', [158, 164, 160, 166, 162, 168], plain),
  ...family('int42', [159, 165, 161, 167, 163, 169], plain),
  ...family('int28', [1850, 1851, 1852, 1854, 1853, 1855], plain),
  ...family('int82', [1856, 1857, 1858, 1860, 1859, 1861], plain),
  ...family('int48', [852, 853, 854, 856, 855, 857], plain),
  ...family('int84', [474, 475, 476, 478, 477, 479], plain),
  ...family('oid', [184, 185, 716, 717, 1638, 1639], plain),
  ...family('xid', [68, 3308, 0, 0, 0, 0], plain),
  ...family('bool', [60, 84, 56, 1691, 57, 1692], plain),
  ...family('float4', [287, 288, 289, 290, 291, 292], float),
  ...family('float8', [293, 294, 295, 296, 297, 298], float),
  ...family('float48', [299, 300, 301, 302, 303, 304], float),
  ...family('float84', [305, 306, 307, 308, 309, 310], float),
  ...family('numeric', [1718, 1719, 1722, 1723, 1720, 1721], by(compareNumeric)),
  ...family('date', [1086, 1091, 1087, 1088, 1089, 1090], plain),
  ...family('timestamp', [2052, 2053, 2054, 2055, 2057, 2056], plain),
  ...family('timestamptz', [1152, 1153, 1154, 1155, 1157, 1156], plain),
  ...family('time', [1145, 1106, 1102, 1103, 1104, 1105], plain),
  ...family('interval', [1162, 1163, 1164, 1165, 1167, 1166], by(compareInterval)),
  ...family('uuid', [2956, 2959, 2954, 2955, 2958, 2957], uuid),
  ...family('text', [67, 157, 740, 741, 742, 743], text),
  ...family('bpchar', [1048, 1053, 1049, 1050, 1051, 1052], bpchar),
  // Hexadecimal text of two byte strings is ordered as the bytes are.
  ...family('bytea', [1948, 1953, 1949, 1950, 1951, 1952], (symbol) => ({ ...text(symbol), exactness: () => 'exact' })),
  ...family('enum', [3508, 3509, 3510, 3512, 3511, 3513], enumeration),
];
