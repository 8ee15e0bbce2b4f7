/** The AWS query protocol, both ways: a form `Filters.Filter.1.Name=…` becomes an object, an object becomes XML. Lists are named by their members, as RDS and EC2 write them. */

export type Form = { [name: string]: string | Form };

/** `a.b.1.c=x` → `{ a: { b: { 1: { c: 'x' } } } }`. */
export function readForm(body: string): Form {
  const root: Form = {};
  for (const [name, value] of new URLSearchParams(body)) {
    const parts = name.split('.');
    let at = root;
    for (const part of parts.slice(0, -1)) {
      const next = at[part];
      at = typeof next === 'object' ? next : (at[part] = {});
    }
    at[parts.at(-1)!] = value;
  }
  return root;
}

export function text(form: Form | undefined, name: string): string | undefined {
  const value = form?.[name];
  return typeof value === 'string' ? value : undefined;
}

/** The members of a list, in order: `{ 1: x, 2: y }`, with or without the member's name in between. */
export function members(form: Form | string | undefined, memberName?: string): (string | Form)[] {
  if (form === undefined || typeof form === 'string') return [];
  const inner = memberName === undefined ? form : form[memberName];
  if (inner === undefined || typeof inner === 'string') return [];
  return Object.keys(inner)
    .filter((key) => /^\d+$/.test(key))
    .sort((a, b) => Number(a) - Number(b))
    .map((key) => inner[key]!);
}

export type Xml = string | number | boolean | undefined | List | { readonly [name: string]: Xml };

/** A list in XML: `<DBInstances><DBInstance>…</DBInstance></DBInstances>`. */
export class List {
  readonly member: string;
  readonly items: readonly Xml[];
  constructor(member: string, items: readonly Xml[]) {
    this.member = member;
    this.items = items;
  }
}

export function writeXml(value: Xml): string {
  if (value === undefined) return '';
  if (value instanceof List) return value.items.map((item) => `<${value.member}>${writeXml(item)}</${value.member}>`).join('');
  if (typeof value === 'object')
    return Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([name, inner]) => `<${name}>${writeXml(inner)}</${name}>`)
      .join('');
  return String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
