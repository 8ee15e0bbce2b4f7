/**
 * Everything about a query tree that needs waiting for, done before planning, which then is a pure function: relations and the trees of plain views (with
 * theirs), constants folded by Postgres (as many as there are in one round trip), and SQL for expressions that only Postgres can evaluate.
 * `load` does what is the same for every execution, `valued` what parameters and clocks change; where there are none of these Postgres is asked nothing.
 * Also the one place that judges every function called: volatile ones, clocks and user code end here (I-1). Called by the planner, `valued` by `plan-query.ts`.
 */
import { millraceError } from '../../base/errors.ts';
import { plainTypeName } from '../../values/type-name.ts';
import { exactnessOfFunction, weakest, type Exactness } from '../../plan/facts/exactness.ts';
import { formatFloat8 } from '../../values/float.ts';
import { replaceParameters } from './parameters.ts';
import { constantText } from './constant.ts';
import type { PlanContext, RelationFacts } from './context.ts';
import { requireSubquery } from '../bind/refuse.ts';
import { Datum, parseQueryTree, type TreeNode } from './node-tree.ts';
import { refusedCall, refusedSqlValue, type Purpose } from '../judge/volatility.ts';

export interface Loaded {
  readonly query: TreeNode;
  readonly relations: ReadonlyMap<number, LoadedRelation>;
  /** Values of constant expressions, by node; null = NULL. */
  readonly constants: ReadonlyMap<TreeNode, string | null>;
  /** Expressions for Postgres: SQL over $1 … $n, and the nodes that these stand for. */
  readonly fallbacks: ReadonlyMap<TreeNode, LoadedFallback>;
}

/** A statement whose parameters have no values yet. What is in it holds for as long as the catalog is as it was. */
export interface LoadedStatement extends Loaded {
  /** Nodes whose value is known from the parameters alone, those inside before those around them. In `constants` they are null so far. */
  readonly later: readonly TreeNode[];
  /** What Postgres is asked for at every execution: parameters under functions, clocks. */
  readonly toEvaluate: readonly TreeNode[];
}

export interface LoadedRelation {
  readonly facts: RelationFacts;
  /** Of a plain view. */
  readonly query?: TreeNode;
}

export interface LoadedFallback {
  readonly sql: string;
  readonly args: readonly TreeNode[];
  /** The weakest of the functions inside. */
  readonly exactness: Exactness;
}

export async function load(tree: string, context: PlanContext, purpose: Purpose): Promise<LoadedStatement> {
  const relations = new Map<number, LoadedRelation>();
  const query = parseQueryTree(tree);
  const scan = new Scan(context);
  scan.root(query, purpose);
  // Grows while it is read: views bring the relations of theirs.
  for (const oid of scan.oids) {
    if (relations.has(oid)) continue;
    const facts = await context.relation(oid);
    if (facts === undefined) {
      throw millraceError('FEATURE_NOT_SUPPORTED', {
        feature: 'a system catalog together with tables or views of Millrace',
        instead: 'Query the system catalog in a statement of its own.',
      });
    }
    if (facts.kind === 'view') {
      const below = parseQueryTree(facts.tree);
      relations.set(oid, { facts, query: below });
      // What stands in a view was judged when it was made; a clock in it is refused there, here and everywhere.
      scan.root(below, 'view');
    } else relations.set(oid, { facts });
  }

  const fixed = scan.toEvaluate.filter((node) => scan.isFixed(node));
  const [, texts] = await Promise.all([
    evaluate(fixed, scan.constants, context, []),
    scan.toDeparse.length === 0 ? [] : context.deparse(scan.toDeparse.map(({ source }) => source)),
  ]);
  const fallbacks = new Map<TreeNode, LoadedFallback>();
  scan.toDeparse.forEach(({ node, args }, i) => {
    const types = args.map((arg) => {
      const { oid, typmod } = parameterOf(arg).type;
      return context.typeOf(oid, typmod);
    });
    const sql = replaceParameters(texts[i]!, (number) => `($${number}::${plainTypeName(types[number - 1]!)})`);
    fallbacks.set(node, { sql, args, exactness: scan.exactnessInside(node) });
  });
  const toEvaluate = scan.toEvaluate.filter((node) => !scan.isFixed(node));
  return { query, relations, constants: scan.constants, fallbacks, later: [...scan.later], toEvaluate };
}

/** What the nodes of a tree ask for, found in one walk. */
class Scan {
  readonly constants = new Map<TreeNode, string | null>();
  readonly later = new Set<TreeNode>();
  readonly toEvaluate: TreeNode[] = [];
  readonly toDeparse: { node: TreeNode; args: TreeNode[]; source: string }[] = [];
  /** Of relations. */
  readonly oids: number[] = [];
  readonly #context: PlanContext;

  constructor(context: PlanContext) {
    this.#context = context;
  }

  /** Whatever the parameters are, and whenever it is asked. */
  isFixed(node: TreeNode): boolean {
    if (VARYING.has(node.tag)) return false;
    const field = FUNCTION_FIELD[node.tag];
    if (field !== undefined && this.#context.functionOf(node.number(field))?.volatility !== 'immutable') return false;
    return node.children().every((child) => this.isFixed(child));
  }

  exactnessInside(node: TreeNode): Exactness {
    const field = FUNCTION_FIELD[node.tag];
    const facts = field === undefined ? undefined : this.#context.functionOf(node.number(field));
    const own = facts === undefined ? 'exact' : exactnessOfFunction(facts, this.#context.collation(node.number('inputcollid')), undefined);
    const inside = [...node.children()].map((child) => this.exactnessInside(child));
    return weakest([own, PRINTING.has(node.tag) ? 'settings' : 'exact', ...inside]);
  }

  /** Roots of expressions, wherever they stand. */
  root(node: TreeNode, as: Purpose): void {
    if (this.#visit(node, as)) this.#request(node);
  }

  /** Is it a constant expression? Those below that are, while it is not, are requested. */
  #visit(node: TreeNode, as: Purpose): boolean {
    switch (node.tag) {
      case 'CONST': {
        if (node.flag('constisnull')) this.constants.set(node, null);
        else {
          const value = node.value('constvalue');
          const text = value instanceof Datum ? constantText(node.number('consttype'), value.bytes) : undefined;
          if (text !== undefined) this.constants.set(node, text);
          // Asked for wherever it stands: an expression around it that Postgres refuses to evaluate stays one, and fails where it is evaluated.
          else this.toEvaluate.push(node);
        }
        return true;
      }
      case 'PARAM':
        // The comparison of IN and ANY has the subquery's columns as parameters.
        if (node.number('paramkind') !== EXTERNAL) return false;
        this.constants.set(node, null);
        this.later.add(node);
        return true;
      case 'RANGETBLENTRY':
        if (node.number('rtekind') === 0) this.oids.push(node.number('relid'));
        break;
      case 'SUBLINK':
        requireSubquery(node);
        break;
      case 'SQLVALUEFUNCTION': {
        const refused = refusedSqlValue(node.number('op'), as);
        if (refused !== undefined) throw refused;
        return true;
      }
      case 'SCALARARRAYOPEXPR':
        return this.#visitAnyAll(node, as);
      default:
    }
    const children = [...node.children()].map((child) => ({ child, constant: this.#visit(child, as) }));
    const allConstant = children.every(({ constant }) => constant);
    this.#judge(node, as, allConstant);
    if (allConstant && FOLDABLE.has(node.tag)) {
      const folded = foldedHere(node, this.constants);
      if (folded !== undefined) {
        this.constants.set(node, folded);
        if (children.some(({ child }) => this.later.has(child))) this.later.add(node);
      }
      return true;
    }
    for (const { child, constant } of children) if (constant) this.#request(child);
    if (needsPostgres(node)) this.#requestDeparse(node);
    return false;
  }

  /** A list of elements stays a list: it is never made an array first. */
  #visitAnyAll(node: TreeNode, as: Purpose): boolean {
    const [left, array] = node.nodes('args') as [TreeNode, TreeNode];
    const list = listOf(array);
    this.#judge(node, as, false);
    const constantLeft = this.#visit(left, as);
    if (list === undefined) {
      const constantArray = this.#visit(array, as);
      if (constantLeft && constantArray) return true;
      if (constantLeft) this.#request(left);
      if (constantArray) this.#request(array);
      else this.#requestDeparse(node);
      return false;
    }
    if (list.elementExpression !== undefined) this.#visit(list.elementExpression, as);
    const constantElements = list.elements.map((element) => this.#visit(element, as));
    if (constantLeft && constantElements.every((constant) => constant)) return true;
    if (constantLeft) this.#request(left);
    list.elements.forEach((element, i) => {
      if (constantElements[i] === true) this.#request(element);
    });
    return false;
  }

  #request(node: TreeNode): void {
    if (this.constants.has(node) || !(FOLDABLE.has(node.tag) || node.tag === 'SQLVALUEFUNCTION')) return;
    // Another name for a value that is known.
    if (node.tag === 'RELABELTYPE' && this.constants.has(node.node('arg'))) return;
    this.toEvaluate.push(node);
  }

  #requestDeparse(node: TreeNode): void {
    const args: TreeNode[] = [];
    this.toDeparse.push({ node, args, source: withParameters(node, args) });
  }

  #judge(node: TreeNode, as: Purpose, constant: boolean): void {
    const field = FUNCTION_FIELD[node.tag];
    if (field === undefined) return;
    const facts = this.#context.functionOf(node.number(field));
    if (facts === undefined) throw millraceError('USER_FUNCTION', { function: `with OID ${node.number(field)}` });
    const refused = refusedCall(facts, as, constant);
    if (refused !== undefined) throw refused;
  }
}

/** ParamKind: PARAM_EXTERN. */
const EXTERNAL = 0;

/** With the parameters' values, as text, and the time as it is now. */
export async function valued(statement: LoadedStatement, context: PlanContext, parameters: readonly (string | null)[]): Promise<Loaded> {
  if (isFinal(statement)) return statement;
  const constants = new Map(statement.constants);
  for (const node of statement.later)
    constants.set(node, node.tag === 'PARAM' ? parameterValue(node, parameters) : foldedHere(node, constants)!);
  await evaluate(statement.toEvaluate, constants, context, parameters);
  return { ...statement, constants };
}

/** It has the same values, and so the same plan, at every execution. */
export function isFinal({ later, toEvaluate }: LoadedStatement): boolean {
  return later.length === 0 && toEvaluate.length === 0;
}

function parameterValue(node: TreeNode, parameters: readonly (string | null)[]): string | null {
  const number = node.number('paramid');
  const value = parameters[number - 1];
  if (value === undefined) throw millraceError('PARAMETER_MISSING', { number });
  return value;
}

async function evaluate(
  nodes: readonly TreeNode[],
  constants: Map<TreeNode, string | null>,
  context: PlanContext,
  parameters: readonly (string | null)[],
): Promise<void> {
  if (nodes.length === 0) return;
  const values = await context.evaluate(
    nodes.map(({ source }) => source),
    parameters,
  );
  values.forEach((value, i) => {
    if (value !== undefined) constants.set(nodes[i]!, value);
  });
}

export const FUNCTION_FIELD: Readonly<Record<string, string>> = {
  FUNCEXPR: 'funcid',
  OPEXPR: 'opfuncid',
  DISTINCTEXPR: 'opfuncid',
  NULLIFEXPR: 'opfuncid',
  SCALARARRAYOPEXPR: 'opfuncid',
};

/** Makes text of values of any type. */
const PRINTING = new Set(['COERCEVIAIO', 'JSONCONSTRUCTOREXPR', 'XMLEXPR']);

/** Parameters; clocks, also those of `'now'` read from a text or from JSON. */
const VARYING = new Set(['PARAM', 'SQLVALUEFUNCTION', 'COERCEVIAIO', 'JSONEXPR']);

/** Expressions whose value Postgres can give when all below is constant. */
const FOLDABLE = new Set([
  'FUNCEXPR',
  'OPEXPR',
  'DISTINCTEXPR',
  'NULLIFEXPR',
  'SCALARARRAYOPEXPR',
  'BOOLEXPR',
  'RELABELTYPE',
  'COERCEVIAIO',
  'ARRAYCOERCEEXPR',
  'COALESCEEXPR',
  'MINMAXEXPR',
  'NULLTEST',
  'BOOLEANTEST',
  'ARRAYEXPR',
  'COLLATEEXPR',
  'SUBSCRIPTINGREF',
  'ROWEXPR',
  'ROWCOMPAREEXPR',
  'JSONCONSTRUCTOREXPR',
  'JSONVALUEEXPR',
  'JSONEXPR',
  'JSONISPREDICATE',
  'XMLEXPR',
]);

/** Expressions that the dataflow has no form for: evaluated by Postgres, as SQL. */
const FOR_POSTGRES = new Set([
  'ARRAYEXPR',
  'ARRAYCOERCEEXPR',
  'SUBSCRIPTINGREF',
  'ROWEXPR',
  'FIELDSELECT',
  'JSONCONSTRUCTOREXPR',
  'JSONEXPR',
  'JSONISPREDICATE',
  'XMLEXPR',
]);

function needsPostgres(node: TreeNode): boolean {
  if (node.tag === 'FUNCEXPR') return node.flag('funcvariadic') && !node.flag('funcretset');
  if (node.tag === 'NULLTEST') return node.flag('argisrow');
  return FOR_POSTGRES.has(node.tag);
}

/** The everyday casts of literals, without asking: `10::bigint`, `1.5::float8`. */
function foldedHere(node: TreeNode, constants: ReadonlyMap<TreeNode, string | null>): string | null | undefined {
  if (node.tag !== 'FUNCEXPR') return undefined;
  const args = node.nodes('args');
  const value = args.length === 1 ? constants.get(args[0]!) : undefined;
  switch (node.number('funcid')) {
    // int2, int4 → int8, int4, numeric; int8 → numeric: the same digits.
    case 481:
    case 313:
    case 754:
    case 1740:
    case 1781:
    case 1782:
      return value;
    // numeric, int4 → float8.
    case 1746:
    case 316:
      return value === undefined || value === null || !Number.isFinite(Number(value)) ? value : formatFloat8(Number(value));
    default:
      return undefined;
  }
}

export interface ElementList {
  readonly elements: readonly TreeNode[];
  /** What is done to each: over a CASETESTEXPR. */
  readonly elementExpression?: TreeNode;
}

/** The elements of `ARRAY[…]`, also under a cast of each. */
export function listOf(array: TreeNode): ElementList | undefined {
  if (array.tag === 'ARRAYEXPR' && !array.flag('multidims')) return { elements: array.nodes('elements') };
  if (array.tag !== 'ARRAYCOERCEEXPR') return undefined;
  const below = array.node('arg');
  if (below.tag !== 'ARRAYEXPR' || below.flag('multidims')) return undefined;
  return { elements: below.nodes('elements'), elementExpression: array.node('elemexpr') };
}

function parameterOf(node: TreeNode): { type: { oid: number; typmod: number }; collation: number } {
  switch (node.tag) {
    case 'VAR':
      return { type: { oid: node.number('vartype'), typmod: node.number('vartypmod') }, collation: node.number('varcollid') };
    case 'AGGREF':
      return { type: { oid: node.number('aggtype'), typmod: -1 }, collation: node.number('aggcollid') };
    default:
      return { type: { oid: node.number('paramtype'), typmod: node.number('paramtypmod') }, collation: node.number('paramcollid') };
  }
}

/** The node's text with what varies in it as PARAMs, in the order of `args`. */
function withParameters(root: TreeNode, args: TreeNode[]): string {
  const found: { node: TreeNode; number: number }[] = [];
  const known = new Map<string, number>();
  gather(root, false);
  let text = '';
  let at = root.start;
  for (const { node, number } of found) {
    const { type, collation } = parameterOf(node);
    text += root.wholeText.slice(at, node.start);
    text += `{PARAM :paramkind 0 :paramid ${number} :paramtype ${type.oid} :paramtypmod ${type.typmod} :paramcollid ${collation} :location -1}`;
    at = node.end;
  }
  return text + root.wholeText.slice(at, root.end);

  function gather(node: TreeNode, insideTest: boolean): void {
    if (node.tag === 'VAR' || node.tag === 'AGGREF' || node.tag === 'PARAM') {
      const number = known.get(node.source) ?? args.push(node);
      known.set(node.source, number);
      found.push({ node, number });
      return;
    }
    if (node.tag === 'SUBLINK' || node.tag === 'WINDOWFUNC' || node.tag === 'GROUPINGFUNC') {
      throw millraceError('FEATURE_NOT_SUPPORTED', {
        feature: 'a subquery, window function or GROUPING() inside an array, row or JSON expression',
      });
    }
    if (node.tag === 'CASETESTEXPR' && !insideTest) {
      throw millraceError('FEATURE_NOT_SUPPORTED', {
        feature: 'an array, row or JSON expression inside CASE x WHEN …',
        instead: 'Write CASE WHEN x = … instead.',
      });
    }
    for (const child of node.children()) gather(child, insideTest || node.tag === 'CASEEXPR' || node.tag === 'ARRAYCOERCEEXPR');
  }
}
