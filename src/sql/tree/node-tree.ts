/**
 * The text form of Postgres's node trees (pg_node_tree: `pg_rewrite.ev_action`, `pg_proc.prosqlbody`) as plain nodes. Grammar as written by outfuncs.c:
 * `{TAG :field value …}`, `( … )`, number lists `(i …) (o …) (b …)`, `<>` = null, `"str"`, backslash escapes, `LEN [ signed bytes ]`.
 * Knows nothing of what a node means. A field that is asked for and absent is a fault of Millrace (another Postgres than the one it was written for).
 * Called by `load.ts`.
 */
import { assert, must } from '../../base/assert.ts';

export type NodeValue = TreeNode | NodeList | Datum | string | null;
export type NodeList = readonly NodeValue[];

/** A constant's bytes, as they lie in PGlite's memory. */
export class Datum {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export class TreeNode {
  readonly tag: string;
  /** The node's own text is `text.slice(start, end)`. */
  readonly start: number;
  end = 0;
  readonly #text: string;
  readonly #fields = new Map<string, NodeValue>();

  constructor(tag: string, text: string, start: number) {
    this.tag = tag;
    this.#text = text;
    this.start = start;
  }

  put(field: string, value: NodeValue): void {
    this.#fields.set(field, value);
  }

  get source(): string {
    return this.#text.slice(this.start, this.end);
  }

  /** The text it was parsed from: `start` and `end` of the nodes inside are positions in it. */
  get wholeText(): string {
    return this.#text;
  }

  value(field: string): NodeValue {
    const value = this.#fields.get(field);
    assert(value !== undefined, () => `${this.tag} without ${field}`);
    return value;
  }

  node(field: string): TreeNode {
    return must(this.maybe(field), `${this.tag}.${field}`);
  }

  maybe(field: string): TreeNode | null {
    const value = this.value(field);
    assert(value === null || value instanceof TreeNode, () => `${this.tag}.${field} is no node`);
    return value;
  }

  /** A list of nodes; `<>` is the empty list. */
  nodes(field: string): readonly TreeNode[] {
    return this.list(field).map((value) => {
      assert(value instanceof TreeNode, () => `${this.tag}.${field} has an element that is no node`);
      return value;
    });
  }

  list(field: string): NodeList {
    const value = this.value(field);
    if (value === null) return [];
    assert(Array.isArray(value), () => `${this.tag}.${field} is no list`);
    return value as NodeList;
  }

  number(field: string): number {
    return Number(this.value(field));
  }

  numbers(field: string): number[] {
    return this.list(field).map(Number);
  }

  flag(field: string): boolean {
    return this.value(field) === 'true';
  }

  text(field: string): string | null {
    const value = this.value(field);
    assert(value === null || typeof value === 'string', () => `${this.tag}.${field} is no text`);
    return value;
  }

  /** Nodes directly below, in the order written. */
  *children(): Generator<TreeNode> {
    for (const value of this.#fields.values()) yield* nodesIn(value);
  }
}

function* nodesIn(value: NodeValue): Generator<TreeNode> {
  if (value instanceof TreeNode) yield value;
  else if (Array.isArray(value)) for (const element of value) yield* nodesIn(element as NodeValue);
}

/** `({QUERY …})` or `(({QUERY …}))`: the query of a view or of a SQL-standard function body. */
export function parseQueryTree(text: string): TreeNode {
  let value = parseNodeTree(text);
  while (Array.isArray(value)) {
    assert(value.length === 1, 'a rule or body of one query');
    value = value[0] as NodeValue;
  }
  assert(value instanceof TreeNode && value.tag === 'QUERY', 'a query tree');
  return value;
}

export function parseNodeTree(text: string): NodeValue {
  let at = 0;

  function skipBlanks(): void {
    while (text.charCodeAt(at) <= BLANK) at++;
  }

  /** Up to a blank, a parenthesis or a brace that is not escaped. */
  function token(): string {
    skipBlanks();
    const start = at;
    let escaped = false;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === BACKSLASH) {
        escaped = true;
        at++;
      } else if (code <= BLANK || code === OPEN || code === CLOSE || code === CLOSE_BRACE || code === OPEN_BRACE) break;
    }
    const raw = text.slice(start, at);
    return escaped ? raw.replaceAll(/\\([\s\S])/g, '$1') : raw;
  }

  function node(): TreeNode {
    const start = at++;
    const made = new TreeNode(token(), text, start);
    for (skipBlanks(); text.charCodeAt(at) !== CLOSE_BRACE; skipBlanks()) {
      assert(text.charCodeAt(at) === COLON, () => `a field at ${at} of the node tree`);
      at++;
      const field = token();
      made.put(field, value(field));
    }
    made.end = ++at;
    return made;
  }

  function list(): NodeList {
    at++;
    const elements: NodeValue[] = [];
    skipBlanks();
    // (i 1 2), (o 1 2), (b 1 2), (x 1 2): numbers of a kind.
    if (/^[iobx][ )]/.test(text.slice(at, at + 2))) at++;
    for (skipBlanks(); text.charCodeAt(at) !== CLOSE; skipBlanks()) elements.push(value(''));
    at++;
    return elements;
  }

  function value(field: string): NodeValue {
    skipBlanks();
    switch (text.charCodeAt(at)) {
      case OPEN_BRACE:
        return node();
      case OPEN:
        return list();
      case QUOTE: {
        const quoted = token();
        return quoted.slice(1, -1);
      }
      default: {
        assert(at < text.length, 'a whole node tree');
        if (text.startsWith('<>', at) && /[\s)}]|^$/.test(text.charAt(at + 2))) {
          at += 2;
          return null;
        }
        const word = token();
        return field === 'constvalue' ? datum() : word;
      }
    }
  }

  function datum(): Datum {
    const open = text.indexOf('[', at);
    const close = text.indexOf(']', open);
    at = close + 1;
    const words = text.slice(open + 1, close).trim();
    return new Datum(Uint8Array.from(words === '' ? [] : words.split(' '), (byte) => Number(byte) & 0xff));
  }

  return value('');
}

const BLANK = 0x20;
const QUOTE = 0x22;
const OPEN = 0x28;
const CLOSE = 0x29;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
