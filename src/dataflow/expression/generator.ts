/**
 * Writes the body of one generated function: statements, fresh names, and the values it closes over (functions, constants). Knows rows and slots,
 * no SQL. Called by `compile.ts` and by natives.
 */
import { baseOid, codecOf, type Value } from '../../values/codec.ts';
import { INTERVAL_ZERO, readInterval } from '../../values/interval.ts';
import { readInt64 } from '../../values/int64.ts';
import type { ColumnLayout } from '../../values/layout.ts';
import { NUMERIC_ZERO, readNumeric } from '../../values/numeric.ts';
import type { RowSpace } from '../../values/space.ts';
import { readText } from '../../values/text.ts';
import { STORAGE_WORDS, type PgType } from '../../values/type.ts';
import { readUuid } from '../../values/uuid.ts';

/** Where a value lies unread: JavaScript expressions for the words, the heap and the word address. */
export interface Slot {
  readonly words: string;
  readonly doubles: string;
  readonly heap: string;
  readonly at: string;
}

/** A compiled expression: its NULL flag and its value as JavaScript; the value is meaningful only where not NULL. Both are free of effects. */
export interface Operand {
  readonly type: PgType;
  /** `true`, `false` or a name. */
  readonly isNull: string;
  readonly value: string;
  /** The value is a name or a literal: may be written more than once. */
  readonly cheap: boolean;
  readonly slot?: Slot;
  readonly constant?: Value;
}

export class Generator {
  readonly #names = new Map<unknown, string>();
  readonly #closure: { name: string; value: unknown }[] = [];
  #body: string[] = [];
  #fresh = 0;
  /** Set while the generated code may meet a ValueFailure. */
  fails = false;

  emit(statement: string): void {
    this.#body.push(statement);
  }

  fresh(prefix: string): string {
    return `${prefix}${this.#fresh++}`;
  }

  /** The name under which generated code sees `value`: one a value. */
  use(value: unknown, hint = 'k'): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      name = `${hint}_${this.#closure.length}`;
      this.#names.set(value, name);
      this.#closure.push({ name, value });
    }
    return name;
  }

  /** A function under its own name. */
  fn(value: { readonly name: string }): string {
    return this.use(value, value.name || 'f');
  }

  /** What `write` emits, apart. */
  captured(write: () => void): string {
    const outer = this.#body;
    this.#body = [];
    write();
    const inner = this.#body.join('\n');
    this.#body = outer;
    return inner;
  }

  /** `source` must be one function expression. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what its source makes
  finish<F>(source: string): F {
    // No parameters: a function may have 65,534, and a list of numerics has more.
    const names = this.#closure.map(({ name }, i) => `const ${name} = closure[${i}];`).join('\n');
    const make = new Function('closure', `"use strict";\n${names}\nreturn ${source};`);
    return make(this.#closure.map(({ value }) => value)) as F;
  }

  /** A name or literal for the operand's value; reads the slot now. Only where it is not NULL. */
  named(operand: Operand): string {
    if (operand.cheap) return operand.value;
    const name = this.fresh('m');
    this.emit(`const ${name} = ${operand.value};`);
    return name;
  }

  /** The value a variable of the type starts with. */
  blank(type: PgType): string {
    switch (type.storage) {
      case 'bool':
        return 'false';
      case 'numeric':
        return this.use(NUMERIC_ZERO, 'zero');
      case 'interval':
        return this.use(INTERVAL_ZERO, 'zero');
      case 'uuid':
      case 'text':
        return "''";
      case 'int32':
      case 'int64':
      case 'float64':
        return '0';
    }
  }

  readSlot(type: PgType, slot: Slot): string {
    switch (type.storage) {
      case 'bool':
        return `(${slot.words}[${slot.at}] !== 0)`;
      case 'int32': {
        const oid = baseOid(type);
        return oid === 26 || oid === 28 ? `(${slot.words}[${slot.at}] >>> 0)` : `${slot.words}[${slot.at}]`;
      }
      case 'int64':
        return `${this.fn(readInt64)}(${slot.words}, ${slot.at})`;
      case 'float64':
        return `${slot.doubles}[(${slot.at}) >> 1]`;
      case 'numeric':
        return `${this.fn(readNumeric)}(${slot.words}, ${slot.heap}, ${slot.at})`;
      case 'uuid':
        return `${this.fn(readUuid)}(${slot.words}, ${slot.at})`;
      case 'interval':
        return `${this.fn(readInterval)}(${slot.words}, ${slot.at})`;
      case 'text':
        return `${this.fn(readText)}(${slot.words}, ${slot.heap}, ${slot.at})`;
    }
  }

  column(side: 'a' | 'b', column: ColumnLayout): Operand {
    const isNull = this.fresh('n');
    this.emit(`const ${isNull} = (${side}w[r${side} + ${column.nullWord}] & ${column.nullBit}) !== 0;`);
    const slot = { words: `${side}w`, doubles: `${side}d`, heap: `${side}h`, at: `r${side} + ${column.offset}` };
    return { type: column.type, isNull, value: this.readSlot(column.type, slot), cheap: false, slot };
  }

  nothing(type: PgType): Operand {
    return { type, isNull: 'true', value: this.blank(type), cheap: true };
  }

  constant(type: PgType, text: string | null): Operand {
    if (text === null) return this.nothing(type);
    const codec = codecOf(type);
    const constant = codec.parse(text);
    const space = constantSpace();
    codec.write(constant, space, 0);
    const use = (value: unknown, hint: string): string => this.use(value, hint);
    // Closed over only where it is read: most constants are literals.
    const slot: Slot = {
      get words() {
        return use(space.words, 'cw');
      },
      get doubles() {
        return use(space.doubles, 'cd');
      },
      get heap() {
        return use(space.heap, 'ch');
      },
      at: '0',
    };
    return { type, isNull: 'false', value: this.literal(constant), cheap: true, slot, constant };
  }

  literal(value: Value): string {
    if (typeof value === 'boolean') return String(value);
    if (typeof value === 'number') return Object.is(value, -0) ? '(-0)' : value < 0 ? `(${value})` : String(value);
    if (typeof value === 'bigint') return value < 0n ? `(${value}n)` : `${value}n`;
    if (typeof value === 'string') return JSON.stringify(value);
    return this.use(value, 'k');
  }

  /** A new pair of variables, both assigned later. */
  variable(type: PgType, isNull = 'true'): { value: string; isNull: string } {
    const value = this.fresh('v');
    const flag = this.fresh('n');
    this.emit(`let ${value} = ${this.blank(type)}, ${flag} = ${isNull};`);
    return { value, isNull: flag };
  }

  assign(variable: { value: string; isNull: string }, operand: Operand): void {
    if (operand.isNull === 'true') this.emit(`${variable.isNull} = true;`);
    else if (operand.isNull === 'false') this.emit(`${variable.isNull} = false; ${variable.value} = ${operand.value};`);
    else this.emit(`${variable.isNull} = ${operand.isNull}; if (!${operand.isNull}) ${variable.value} = ${operand.value};`);
  }
}

function constantSpace(): RowSpace {
  const buffer = new ArrayBuffer(16);
  let heap = new Uint8Array(0);
  const words = new Int32Array(buffer);
  return {
    words,
    doubles: new Float64Array(buffer),
    get heap() {
      return heap;
    },
    allocateHeap(bytes) {
      heap = new Uint8Array(bytes);
      return 0;
    },
  };
}

/** Both operands' slots hold the same value, word by word. */
export function sameWords(type: PgType, a: Slot, b: Slot): string {
  const tests: string[] = [];
  for (let word = 0; word < STORAGE_WORDS[type.storage]; word++)
    tests.push(`${a.words}[${a.at} + ${word}] === ${b.words}[${b.at} + ${word}]`);
  return `(${tests.join(' && ')})`;
}
