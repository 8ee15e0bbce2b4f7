/** Comparison operators of the scalar types. Equality of text compares bytes and never decodes them; its order follows the collation. */
import { canonicalizer } from '../../../values/canonical.ts';
import { compareInterval } from '../../../values/interval.ts';
import { compareNumeric } from '../../../values/numeric.ts';
import { compareFloat, ordersByBytes, textOrder, valueOrder } from '../../../values/order.ts';
import { compareText, INLINE_BYTES_MAX, sameText } from '../../../values/text.ts';
import { COMPARISONS } from '../../../plan/facts/comparison.ts';
import { sameWords, type Generator, type Operand } from '../generator.ts';
import type { Native, NativeTable } from '../native.ts';

const SYMBOLS = ['===', '!==', '<', '<=', '>', '>='] as const;

export function family(name: keyof typeof COMPARISONS, make: (symbol: (typeof SYMBOLS)[number]) => Native): NativeTable {
  return COMPARISONS[name].flatMap((oid, i) =>
    oid === 0 ? [] : [[oid, { ...make(SYMBOLS[i]!), name: `${name} ${SYMBOLS[i]!}` }] as const],
  );
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
  };
}

/** Labels are words; their order is the type's. */
function enumeration(symbol: string): Native {
  if (symbol === '===' || symbol === '!==') return text(symbol);
  return {
    name: '',
    fails: false,
    covers: ({ args }) => (args[0]!.type.base ?? args[0]!.type).labels !== undefined,
    code: (generator, [a, b], { args }) => `${generator.use(valueOrder(args[0]!.type), 'enumOrder')}(${a}, ${b}) ${symbol} 0`,
  };
}

const families = (make: Parameters<typeof family>[1], ...names: Parameters<typeof family>[0][]): NativeTable =>
  names.flatMap((name) => family(name, make));

export const compareNatives: NativeTable = [
  // int2/4/8 with one another
  ...families(plain, 'int2', 'int4', 'int8', 'int24', 'int42', 'int28', 'int82', 'int48', 'int84'),
  ...families(plain, 'oid', 'xid', 'bool', 'date', 'timestamp', 'timestamptz', 'time'),
  ...families(float, 'float4', 'float8', 'float48', 'float84'),
  ...family('numeric', by(compareNumeric)),
  ...family('interval', by(compareInterval)),
  ...family('uuid', uuid),
  // Hexadecimal text of two byte strings is ordered as the bytes are.
  ...families(text, 'text', 'bytea'),
  ...family('bpchar', bpchar),
  ...family('enum', enumeration),
];
