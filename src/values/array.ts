/**
 * The text form of Postgres arrays, as far as identity and order need it: `{1.0,NULL,"a b"}`, nested, with bounds before `=` where they are not 1.
 * Elements are replaced in place (canonical form) or listed (order); dimensions and bounds stay as they stand.
 */
export interface ArrayText {
  /** In storage order; null = NULL. */
  readonly elements: readonly (string | null)[];
  readonly dimensions: number;
  /** The text with its elements cut out: shape and bounds. */
  readonly shape: string;
}

/** Walks over the elements; returns the text with each replaced by what `replace` gives. */
function walk(text: string, replace: (element: string | null) => string): string {
  let at = text.startsWith('[') ? text.indexOf('=') + 1 : 0;
  let result = text.slice(0, at);
  while (at < text.length) {
    const character = text[at]!;
    if (character === '{' || character === '}' || character === ',') {
      result += character;
      at++;
    } else if (character === '"') {
      let element = '';
      for (at++; text[at] !== '"'; at++) {
        if (text[at] === '\\') at++;
        element += text[at]!;
      }
      at++;
      result += replace(element);
    } else {
      const start = at;
      while (at < text.length && !',}'.includes(text[at]!)) at++;
      const element = text.slice(start, at);
      result += replace(element === 'NULL' ? null : element);
    }
  }
  return result;
}

export function parseArray(text: string): ArrayText {
  const elements: (string | null)[] = [];
  const shape = walk(text, (element) => {
    elements.push(element);
    return '';
  });
  const open = shape.slice(shape.startsWith('[') ? shape.indexOf('=') + 1 : 0);
  return { elements, dimensions: elements.length === 0 ? 0 : (/^\{+/.exec(open)?.[0].length ?? 0), shape };
}

/** Every element but NULLs through `map`, quoted again where Postgres would. */
export function mapArray(text: string, map: (element: string) => string): string {
  return walk(text, (element) => (element === null ? 'NULL' : quotedElement(map(element))));
}

/** An element as it stands in an array, quoted where Postgres would. */
export function quotedElement(element: string, delimiter = ','): string {
  // array_isspace knows ASCII alone.
  if (element !== '' && !/[{}"\\ \t\n\r\v\f]/.test(element) && !element.includes(delimiter) && !/^null$/i.test(element)) return element;
  return `"${element.replace(/["\\]/g, '\\$&')}"`;
}

/** Elements first (NULL is the greatest), then their number, dimensions and bounds. */
export function arrayOrder(compareElements: (a: string, b: string) => number): (a: string, b: string) => number {
  return (a, b) => {
    const left = parseArray(a);
    const right = parseArray(b);
    const shorter = Math.min(left.elements.length, right.elements.length);
    for (let i = 0; i < shorter; i++) {
      const x = left.elements[i]!;
      const y = right.elements[i]!;
      const order = x === null || y === null ? Number(x === null) - Number(y === null) : compareElements(x, y);
      if (order !== 0) return order;
    }
    return left.elements.length - right.elements.length || left.dimensions - right.dimensions || shapeOrder(left.shape, right.shape);
  };
}

/** The same elements in another shape: by the lengths of the dimensions, then by the lower bounds. */
function shapeOrder(a: string, b: string): number {
  if (a === b) return 0;
  const [lengthsA, boundsA] = bounds(a);
  const [lengthsB, boundsB] = bounds(b);
  return firstDifference(lengthsA, lengthsB) || firstDifference(boundsA, boundsB);
}

function firstDifference(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

function bounds(shape: string): [lengths: number[], lowers: number[]] {
  const braces = shape.slice(shape.startsWith('[') ? shape.indexOf('=') + 1 : 0);
  const lengths: number[] = [];
  let inner = braces;
  while (inner.startsWith('{')) {
    const body = inner.slice(1, -1);
    let depth = 0;
    let length = 1;
    let end = body.length;
    for (let i = 0; i < body.length; i++) {
      if (body[i] === '{') depth++;
      else if (body[i] === '}') depth--;
      else if (depth === 0) {
        length++;
        end = Math.min(end, i);
      }
    }
    lengths.push(length);
    inner = body.slice(0, end);
  }
  const written = [...shape.slice(0, shape.indexOf('{')).matchAll(/\[(-?\d+):/g)].map((match) => Number(match[1]));
  return [lengths, written.length > 0 ? written : lengths.map(() => 1)];
}
