/** text, varchar and bpchar. */
import { canonicalizer } from '../../../values/canonical.ts';
import { baseOid } from '../../../values/codec.ts';
import { textOrder } from '../../../values/order.ts';
import type { PgType } from '../../../values/type.ts';
import type { Generator, Operand } from '../generator.ts';
import { printer } from '../io-cast.ts';
import { UTC_SESSION } from '../session.ts';
import { calls, type CallSite, constantText, each, inlines, type Native, type NativeTable } from '../native.ts';
import { capsNatively, initcapFor, lowerFor, upperFor } from '../../../values/case-mapping.ts';
import { like, likeMatcher } from './like.ts';
import * as f from './text-functions.ts';

/** LIKE and ILIKE: a constant pattern is prepared once. */
function likeNative(name: string, { negated, folded }: { negated: boolean; folded: boolean }): Native {
  return {
    name,
    fails: true,
    code: (generator, [text, pattern], { args, collation }) => {
      const fold = folded ? generator.use(lowerFor(collation), 'lower') : '';
      const subject = folded ? `${fold}(${text})` : text!;
      const fixed = constantText(args[1]);
      const test =
        typeof fixed === 'string'
          ? `${generator.use(likeMatcher(folded ? lowerFor(collation)(fixed) : fixed), 'matcher')}(${subject})`
          : `${generator.use(like, 'like')}(${subject}, ${folded ? `${fold}(${pattern})` : pattern})`;
      return negated ? `!${test}` : test;
    },
  };
}

const mapping = (
  name: string,
  make: (collation: CallSite['collation']) => (text: string) => string,
  options: Partial<Native> = {},
): Native => ({
  name,
  fails: false,
  code: (generator, [text], { collation }) => `${generator.use(make(collation), name)}(${text})`,
  ...options,
});

const extreme = (name: string, symbol: '>' | '<'): Native => ({
  name,
  fails: false,
  code: (generator, [a, b], { collation }) => `(${generator.use(textOrder(collation), 'textOrder')}(${a}, ${b}) ${symbol} 0 ? ${a} : ${b})`,
});

/** The text of a value as `::text` gives it (booleans in full) or as the output function does. */
function textOf(generator: Generator, operand: Operand, spelled: boolean): string {
  if (operand.type.storage === 'text' && operand.type.kind !== 'array') return operand.value;
  if (operand.type.storage === 'bool' && spelled) return `(${operand.value} ? 'true' : 'false')`;
  return `${generator.use(printer(operand.type, UTC_SESSION)!, 'print')}(${operand.value})`;
}

/** Types whose text no setting changes, and that Postgres casts by printing. */
const plainText = (type: PgType): boolean => type.kind !== 'array' && type.kind !== 'composite' && SETTLED.has(baseOid(type));
const SETTLED: ReadonlySet<number> = new Set([16, 20, 21, 23, 25, 26, 700, 701, 1043, 1700, 2950, 3802, 114]);

/** text || anything, anything || text. */
const catAny = (name: string): Native => ({
  name,
  fails: false,
  covers: ({ args }) => args.every(({ type }) => plainText(type)),
  code: () => '',
  slots: (generator, operands) => `(${operands.map((operand) => textOf(generator, operand, true)).join(' + ')})`,
});

/** concat: NULLs are nothing. An array argument may be VARIADIC: not here. */
const concat: Native = {
  name: 'concat',
  fails: false,
  covers: ({ args }) => args.every(({ type }) => plainText(type)),
  code: () => '',
  withNulls: (generator, operands) => {
    const parts = operands.map((operand) => `(${operand.isNull} ? '' : ${textOf(generator, operand, false)})`);
    return { value: `('' + ${parts.join(' + ')})`, isNull: 'false' };
  },
};

const concatWs: Native = {
  name: 'concat_ws',
  fails: false,
  covers: ({ args }) => args.every(({ type }) => plainText(type)),
  code: () => '',
  withNulls: (generator, [separator, ...operands]) => {
    const parts = operands.map((operand) => `...(${operand.isNull} ? [] : [${textOf(generator, operand, false)}])`);
    return { value: `[${parts.join(', ')}].join(${separator!.value})`, isNull: separator!.isNull };
  },
};

const trimBlanks = canonicalizer({ oid: 1042, name: 'character', kind: 'base', storage: 'text', typmod: -1 }) as (text: string) => string;
const bpcharLength = (text: string): number => f.length(trimBlanks(text));
const pure = { fails: false };

export const textNatives: NativeTable = [
  [1258, inlines('textcat', (a, b) => `(${a} + ${b})`)],
  ...each([1257, 1317, 1369, 1381], calls('length', f.length, pure)),
  ...each([1318, 1367, 1372], calls('length(bpchar)', bpcharLength, pure)),
  ...each([1374, 1375], calls('octet_length', f.octetLength, pure)),
  ...each([877, 936], calls('substr', f.substring)),
  ...each([883, 937], calls('substr', f.substringFrom, pure)),
  [3060, calls('left', f.left, pure)],
  [3061, calls('right', f.right, pure)],
  [884, calls('btrim', f.btrim, pure)],
  [885, calls('btrim', f.btrimBlanks, pure)],
  [875, calls('ltrim', f.ltrim, pure)],
  [881, calls('ltrim', f.ltrimBlanks, pure)],
  [876, calls('rtrim', f.rtrim, pure)],
  [882, calls('rtrim', f.rtrimBlanks, pure)],
  [2087, calls('replace', f.replace)],
  ...each([849, 868], calls('position', f.position, pure)),
  [1622, calls('repeat', f.repeat)],
  [873, calls('lpad', f.lpad)],
  [879, calls('lpad', f.lpadBlanks)],
  [874, calls('rpad', f.rpad)],
  [880, calls('rpad', f.rpadBlanks)],
  [2088, calls('split_part', f.splitPart)],
  [3062, calls('reverse', f.reverse, pure)],
  [3696, inlines('starts_with', (a, b) => `${a}.startsWith(${b})`)],
  [1620, calls('ascii', f.ascii, pure)],
  [1621, calls('chr', f.chr)],
  [2311, calls('md5', f.md5, pure)],
  [878, calls('translate', f.translate, pure)],
  [2089, calls('to_hex', f.toHex32, pure)],
  [2090, calls('to_hex', f.toHex, pure)],
  [871, mapping('upper', upperFor)],
  [870, mapping('lower', lowerFor)],
  [872, mapping('initcap', initcapFor, { covers: ({ collation }) => capsNatively(collation) })],
  ...each([850, 1569, 1631], likeNative('~~', { negated: false, folded: false })),
  ...each([851, 1570, 1632], likeNative('!~~', { negated: true, folded: false })),
  ...each([1633, 1660], likeNative('~~*', { negated: false, folded: true })),
  ...each([1634, 1661], likeNative('!~~*', { negated: true, folded: true })),
  [2003, catAny('textanycat')],
  [2004, catAny('anytextcat')],
  [3058, concat],
  [3059, concatWs],
  [458, extreme('text_larger', '>')],
  [459, extreme('text_smaller', '<')],
  [401, calls('bpchar → text', trimBlanks, pure)],
  [669, calls('varchar(varchar, typmod)', f.varchar)],
  [668, calls('bpchar(bpchar, typmod)', f.bpchar)],
];
