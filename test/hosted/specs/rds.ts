/** Requests to, and answers of, the imitated RDS and EC2 against the models of the AWS SDK: every name, every type, every list's member name, every required field. */
import type { Exchange } from '../fakes/control-plane.ts';
import { readForm, type Form } from '../fakes/query-protocol.ts';
import { model } from './models.ts';

interface Shape {
  readonly shape?: string;
  readonly type?: 'structure' | 'list' | 'map' | 'integer' | 'long' | 'double' | 'boolean' | 'timestamp' | 'string' | 'blob';
  readonly members?: Readonly<Record<string, Shape>>;
  readonly member?: Shape;
  readonly locationName?: string;
  readonly queryName?: string;
  readonly required?: readonly string[];
  readonly flattened?: boolean;
}
interface Model {
  readonly metadata: { readonly apiVersion: string; readonly protocol: 'query' | 'ec2' };
  readonly operations: Readonly<Record<string, { readonly input?: Shape; readonly output?: Shape & { readonly resultWrapper?: string } }>>;
  readonly shapes: Readonly<Record<string, Shape>>;
}

const FILES = { '2014-10-31': 'aws-rds-2014-10-31.json', '2016-11-15': 'aws-ec2-security-groups-2016-11-15.json' } as const;

/** What does not fit, one line each. */
export function invalidExchanges(exchanges: readonly Exchange[]): string[] {
  return [...new Set(exchanges.flatMap(problems))];
}

function problems({ operation, request, answer }: Exchange): string[] {
  const form = readForm(request.body);
  const version = form['Version'];
  if (version !== '2014-10-31' && version !== '2016-11-15') return [`${operation}: unknown API version ${JSON.stringify(version)}`];
  const api = model(FILES[version]) as Model | undefined;
  if (api === undefined) return [];
  const described = api.operations[operation];
  if (described === undefined) return [`${operation} is not in the model`];
  const found: string[] = [];
  const { Action: _action, Version: _version, ...input } = form;
  new RequestCheck(api, found).structure(`${operation} request`, input, described.input ?? { type: 'structure', members: {} });
  if (answer.status === 200) {
    const root = readXml(answer.body ?? '');
    if (root.name !== `${operation}Response`) found.push(`${operation}: the answer is a <${root.name}>`);
    const wrapper = described.output?.resultWrapper;
    const body = wrapper === undefined ? root : root.children.find(({ name }) => name === wrapper);
    if (body === undefined) found.push(`${operation}: the answer has no <${wrapper}>`);
    else {
      const children = body.children.filter(({ name }) => name !== 'requestId' && name !== 'ResponseMetadata');
      new AnswerCheck(api, found).value(
        `${operation} answer`,
        { ...body, children },
        described.output ?? { type: 'structure', members: {} },
      );
    }
  } else if (!/<Error>[\s\S]*<Code>[\w.]+<\/Code>\s*<Message>[^<]*<\/Message>/.test(answer.body ?? ''))
    found.push(`${operation}: an error without code and message`);
  return found;
}

function resolve(api: Model, shape: Shape): Shape {
  return shape.shape === undefined
    ? shape
    : { ...api.shapes[shape.shape], ...(shape.locationName === undefined ? {} : { locationName: shape.locationName }) };
}

class RequestCheck {
  readonly #api: Model;
  readonly #found: string[];
  constructor(api: Model, found: string[]) {
    this.#api = api;
    this.#found = found;
  }

  structure(where: string, form: Form, shape: Shape): void {
    const named = new Map(Object.entries(shape.members ?? {}).map(([name, member]) => [this.#nameInForm(name, member), { name, member }]));
    for (const [key, value] of Object.entries(form)) {
      const known = named.get(key);
      if (known === undefined) this.#found.push(`${where}: no field ${key}`);
      else this.#value(`${where}.${key}`, value, resolve(this.#api, known.member));
    }
    for (const name of shape.required ?? [])
      if (![...named].some(([key, one]) => one.name === name && key in form)) this.#found.push(`${where}: ${name} is missing`);
  }

  /** EC2 capitalises the XML name unless the model names it for requests; the query protocol takes the name as it stands. */
  #nameInForm(name: string, member: Shape): string {
    if (this.#api.metadata.protocol !== 'ec2') return member.locationName ?? name;
    const xml = member.locationName ?? name;
    return member.queryName ?? xml[0]!.toUpperCase() + xml.slice(1);
  }

  #value(where: string, value: string | Form, shape: Shape): void {
    if (shape.type === 'structure') {
      if (typeof value === 'string') this.#found.push(`${where}: a text, not fields`);
      else this.structure(where, value, shape);
    } else if (shape.type === 'list') {
      const memberName =
        this.#api.metadata.protocol === 'ec2' || shape.flattened === true ? undefined : (shape.member?.locationName ?? 'member');
      const list = memberName === undefined || typeof value === 'string' ? value : value[memberName];
      if (list === undefined || typeof list === 'string')
        this.#found.push(`${where}: not a list${memberName === undefined ? '' : ` of ${memberName}`}`);
      else for (const [index, one] of Object.entries(list)) this.#value(`${where}[${index}]`, one, resolve(this.#api, shape.member ?? {}));
    } else if (typeof value !== 'string') this.#found.push(`${where}: fields, not a text`);
    else scalar(where, value, shape, this.#found);
  }
}

class AnswerCheck {
  readonly #api: Model;
  readonly #found: string[];
  constructor(api: Model, found: string[]) {
    this.#api = api;
    this.#found = found;
  }

  value(where: string, element: Element, given: Shape): void {
    const shape = resolve(this.#api, given);
    if (shape.type === 'list') {
      const name = shape.member?.locationName ?? 'member';
      for (const child of element.children) {
        if (child.name !== name) this.#found.push(`${where}: <${child.name}> in a list of <${name}>`);
        else this.value(`${where}[]`, child, shape.member ?? {});
      }
    } else if (shape.type === 'structure' || shape.members !== undefined) {
      const named = new Map(Object.entries(shape.members ?? {}).map(([name, member]) => [member.locationName ?? name, member]));
      for (const child of element.children) {
        const member = named.get(child.name);
        if (member === undefined) this.#found.push(`${where}: no field <${child.name}>`);
        else this.value(`${where}.${child.name}`, child, member);
      }
    } else if (element.children.length > 0) this.#found.push(`${where}: fields, not a text`);
    else scalar(where, element.text, shape, this.#found);
  }
}

function scalar(where: string, value: string, shape: Shape, found: string[]): void {
  if ((shape.type === 'integer' || shape.type === 'long') && !/^-?\d+$/.test(value)) found.push(`${where}: "${value}" is no integer`);
  if (shape.type === 'boolean' && value !== 'true' && value !== 'false') found.push(`${where}: "${value}" is no boolean`);
}

interface Element {
  readonly name: string;
  readonly children: Element[];
  text: string;
}

/** As much of XML as these answers are made of. */
function readXml(source: string): Element {
  const root: Element = { name: '', children: [], text: '' };
  const path = [root];
  for (const [, close, name, text] of source.matchAll(/<(\/?)([A-Za-z][\w.-]*)[^>]*>|([^<]+)/g)) {
    const at = path.at(-1)!;
    if (text !== undefined) at.text += text.trim();
    else if (close === '/') path.pop();
    else {
      const child: Element = { name: name!, children: [], text: '' };
      at.children.push(child);
      path.push(child);
    }
  }
  return root.children[0] ?? root;
}
