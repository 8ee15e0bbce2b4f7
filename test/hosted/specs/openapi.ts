/** Requests to, and answers of, the imitated DigitalOcean and Google control planes against the vendors' documents: paths, statuses, field names, types, enumerations, required fields. */
import type { Exchange } from '../fakes/control-plane.ts';
import { model } from './models.ts';

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly readOnly?: boolean;
  readonly nullable?: boolean;
}
interface Body {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}
interface OpenApi {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<string, { readonly requestBody?: Body; readonly responses: Readonly<Record<string, Body & { readonly $ref?: string }>> }>
      >
    >
  >;
}
interface Discovery {
  readonly resources: Readonly<
    Record<
      string,
      {
        readonly methods?: Readonly<
          Record<
            string,
            {
              readonly httpMethod: string;
              readonly flatPath: string;
              readonly request?: Schema;
              readonly response?: Schema;
              readonly parameters?: Readonly<Record<string, unknown>>;
            }
          >
        >;
      }
    >
  >;
  readonly schemas: Readonly<Record<string, Schema>>;
}

/** What does not fit, one line each. */
export function invalidJsonExchanges(vendor: 'digitalocean' | 'cloudsql', exchanges: readonly Exchange[]): string[] {
  return [...new Set(exchanges.flatMap((exchange) => (vendor === 'digitalocean' ? digitalOcean(exchange) : cloudSql(exchange))))];
}

function digitalOcean({ operation, request, answer }: Exchange): string[] {
  const api = model('digitalocean-databases-v2.openapi.json') as OpenApi | undefined;
  if (api === undefined) return [];
  const described = match(Object.entries(api.paths), request.path)?.[request.method.toLowerCase()];
  if (described === undefined) return [`${operation}: ${request.method} ${request.path} is not in the model`];
  const check = new Check((reference) => pointer(api, reference));
  check.body(`${operation} request`, request.body, jsonSchema(described.requestBody), false);
  const response = described.responses[answer.status] ?? described.responses['default'];
  const resolved = response?.$ref === undefined ? response : (pointer(api, response.$ref) as Body);
  if (answer.status < 400 && !(String(answer.status) in described.responses))
    check.found.push(`${operation}: status ${answer.status} is not in the model`);
  check.body(`${operation} answer ${answer.status}`, answer.body ?? '', jsonSchema(resolved), true);
  return check.found;
}

function cloudSql({ operation, request, answer }: Exchange): string[] {
  const api = model('google-sqladmin-v1.discovery.json') as Discovery | undefined;
  if (api === undefined) return [];
  const methods = Object.values(api.resources).flatMap((resource) => Object.values(resource.methods ?? {}));
  const described = match(
    methods.filter(({ httpMethod }) => httpMethod === request.method).map((method) => [`/${method.flatPath}`, method] as const),
    request.path,
  );
  if (described === undefined) return [`${operation}: ${request.method} ${request.path} is not in the model`];
  const check = new Check((reference) => api.schemas[reference]);
  for (const name of request.query.keys())
    if (!(name in (described.parameters ?? {})) && name !== 'alt') check.found.push(`${operation}: no parameter ${name}`);
  check.body(`${operation} request`, request.body, described.request, false);
  if (answer.status === 200) check.body(`${operation} answer`, answer.body ?? '', described.response, true);
  return check.found;
}

function match<T>(paths: readonly (readonly [string, T])[], path: string): T | undefined {
  const fits = (template: string): boolean => {
    const [wanted, given] = [template.split('/'), path.split('/')];
    return wanted.length === given.length && wanted.every((part, index) => part.startsWith('{') || part === given[index]);
  };
  return (paths.find(([template]) => template === path) ?? paths.find(([template]) => fits(template)))?.[1];
}

function jsonSchema(body: Body | undefined): Schema | undefined {
  return body?.content?.['application/json']?.schema;
}

function pointer(root: unknown, reference: string): unknown {
  let at = root;
  for (const part of reference.replace(/^#\//, '').split('/'))
    at = (at as Record<string, unknown>)[part.replaceAll('~1', '/').replaceAll('~0', '~').replaceAll('%7B', '{').replaceAll('%7D', '}')];
  return at;
}

class Check {
  readonly found: string[] = [];
  readonly #resolve: (reference: string) => unknown;

  constructor(resolve: (reference: string) => unknown) {
    this.#resolve = resolve;
  }

  body(where: string, text: string, schema: Schema | undefined, isAnswer: boolean): void {
    if (text === '') return;
    if (schema === undefined) {
      if (!isAnswer && text !== '{}') this.found.push(`${where}: a body where the model has none`);
      return;
    }
    this.#value(where, JSON.parse(text), schema, isAnswer);
  }

  #value(where: string, value: unknown, given: Schema, isAnswer: boolean): void {
    const schema = given.$ref === undefined ? given : (this.#resolve(given.$ref) as Schema);
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices !== undefined) {
      const attempts = choices.map((choice) => this.#attempt(where, value, choice, isAnswer));
      if (!attempts.some((attempt) => attempt.length === 0)) this.found.push(...attempts.toSorted((a, b) => a.length - b.length)[0]!);
      return;
    }
    const parts = this.#flatten(schema);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      this.#fields(where, value as Record<string, unknown>, parts, isAnswer);
    else if (Array.isArray(value)) {
      if (schema.type !== undefined && schema.type !== 'array') this.found.push(`${where}: a list, not ${schema.type}`);
      for (const item of value) if (schema.items !== undefined) this.#value(`${where}[]`, item, schema.items, isAnswer);
    } else this.#scalar(where, value, schema);
  }

  #fields(where: string, value: Record<string, unknown>, parts: readonly Schema[], isAnswer: boolean): void {
    const properties = Object.assign({}, ...parts.map(({ properties: some }) => some ?? {})) as Record<string, Schema>;
    const extra = parts.find(
      ({ additionalProperties }) => additionalProperties !== undefined && additionalProperties !== false,
    )?.additionalProperties;
    for (const [name, inner] of Object.entries(value)) {
      const property = properties[name];
      if (property === undefined) {
        if (extra === undefined && Object.keys(properties).length > 0) this.found.push(`${where}: no field ${name}`);
        continue;
      }
      if (!isAnswer && property.readOnly === true) this.found.push(`${where}.${name}: read-only, yet sent`);
      this.#value(`${where}.${name}`, inner, property, isAnswer);
    }
    for (const name of parts.flatMap(({ required }) => required ?? []))
      if (!(name in value) && !(properties[name]?.readOnly === true && !isAnswer)) this.found.push(`${where}: ${name} is missing`);
  }

  #scalar(where: string, value: unknown, schema: Schema): void {
    const { type } = schema;
    const fits =
      type === undefined ||
      (value === null && schema.nullable === true) ||
      (type === 'string' && typeof value === 'string') ||
      (type === 'boolean' && typeof value === 'boolean') ||
      (type === 'number' && typeof value === 'number') ||
      (type === 'integer' && Number.isInteger(value));
    if (!fits) this.found.push(`${where}: ${JSON.stringify(value)} is no ${type}`);
    if (schema.enum !== undefined && !schema.enum.includes(value))
      this.found.push(`${where}: ${JSON.stringify(value)} is none of ${schema.enum.join(', ')}`);
    if (schema.pattern !== undefined && typeof value === 'string' && !new RegExp(schema.pattern).test(value))
      this.found.push(`${where}: "${value}" does not fit ${schema.pattern}`);
    if (
      typeof value === 'number' &&
      ((schema.minimum !== undefined && value < schema.minimum) || (schema.maximum !== undefined && value > schema.maximum))
    )
      this.found.push(`${where}: ${value} is out of range`);
  }

  #attempt(where: string, value: unknown, schema: Schema, isAnswer: boolean): string[] {
    const check = new Check(this.#resolve);
    check.#value(where, value, schema, isAnswer);
    return check.found;
  }

  #flatten(schema: Schema): Schema[] {
    const resolved = schema.$ref === undefined ? schema : (this.#resolve(schema.$ref) as Schema);
    return [resolved, ...(resolved.allOf ?? []).flatMap((part) => this.#flatten(part))];
  }
}
