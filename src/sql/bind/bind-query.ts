/**
 * Postgres's analysed query → a relation: FROM and WHERE, GROUP BY and HAVING, the select list, DISTINCT, set operations, ORDER BY with LIMIT. A CTE
 * or plain view is bound once; `share.ts` decides where it is computed. What is not here is refused by the name of the SQL feature (I-8). Pure: `load.ts` has done all the waiting.
 * Called by `plan-query.ts`.
 */
import { assert, must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import type { Constant, Expression } from '../../plan/expression.ts';
import type { Let, Plan, SortKey } from '../../plan/plan.ts';
import { Grouping } from './aggregate.ts';
import { conjuncts, ExpressionBinder, type Scope } from './bind-expression.ts';
import { columnRef } from '../../plan/columns.ts';
import { safeFirst } from '../../plan/facts/failure.ts';
import type { PlanContext } from '../tree/context.ts';
import { JoinPlanner } from './join.ts';
import { requireKeyType, requireOrder } from '../judge/key-type.ts';
import type { Loaded } from '../tree/load.ts';
import type { TreeNode } from '../tree/node-tree.ts';
import { readsOuter } from '../rewrite/decorrelate.ts';
import { filter, Numbering, project, refsOf, type NamedExpression, type Relation } from './relation.ts';
import { refuseUnsupported, refuseSubquery, unsupported } from './refuse.ts';
import { bindSetOperation } from './set-operation.ts';
import { hasSubquery, Subqueries, type Outer } from './subquery.ts';

/** What all queries of one statement share. */
export class Binding {
  readonly context: PlanContext;
  readonly loaded: Loaded;
  readonly numbering = new Numbering();
  readonly binder: ExpressionBinder;
  readonly joins: JoinPlanner;
  readonly #shared = new Map<TreeNode, Omit<Let, 'body' | 'columns'>>();

  constructor(context: PlanContext, loaded: Loaded) {
    this.context = context;
    this.loaded = loaded;
    this.binder = new ExpressionBinder(context, loaded);
    this.joins = new JoinPlanner(context, this.numbering);
  }

  /** What is written once and read anywhere, bound once: `query` stands for it. A relation that reads it. */
  shared(query: TreeNode, name: string, bind: () => Relation): Relation {
    let found = this.#shared.get(query);
    if (found === undefined) {
      const value = bind().plan;
      if (readsOuter(value))
        throw unsupported('a CTE of a subquery that reads a column of an outer query', 'Write it as a subquery in FROM.');
      found = { op: 'let', id: this.numbering.id(), name, value };
      // In this order each is below those that read it.
      this.#shared.set(query, found);
    }
    const { id, value } = found;
    const { columns } = value;
    return { plan: { op: 'ref', id, name, pick: columns.map((_, i) => i), columns }, ids: this.numbering.ids(columns.length) };
  }

  /** The plan with all that it shares. */
  whole(body: Plan): Plan {
    return [...this.#shared.values()].reduceRight((plan: Plan, one) => ({ ...one, body: plan, columns: plan.columns }), body);
  }
}

/** The select list with its order, before ORDER BY … LIMIT is applied. */
export interface Selected {
  readonly relation: Relation;
  /** Positions of the columns that are shown. */
  readonly shown: readonly number[];
  /** Over positions of the relation. */
  readonly order: readonly SortKey[];
  readonly limit: number | null;
  readonly offset: number;
}

type JoinKind = 'inner' | 'left' | 'full' | 'right';
const JOIN_KINDS: readonly (JoinKind | undefined)[] = ['inner', 'left', 'full', 'right'];

export class QueryBinder {
  readonly #binding: Binding;
  readonly #query: TreeNode;
  readonly #parent: QueryBinder | undefined;
  readonly #table: readonly TreeNode[];
  /** Columns of range table entries, by index from 1. */
  readonly #ranges = new Map<number, Relation>();
  readonly #scope: Scope;

  readonly #outer: Outer | undefined;

  /** `outer`: of a subquery in an expression. One in FROM sees what its parent does. */
  constructor(binding: Binding, query: TreeNode, parent?: QueryBinder, outer?: Outer) {
    this.#binding = binding;
    this.#query = query;
    this.#parent = parent;
    this.#outer = outer;
    this.#table = query.nodes('rtable');
    this.#scope = {
      column: (node, levels = node.number('varlevelsup')) =>
        levels > 0 ? this.#outerColumn(node, levels - 1) : this.#column(node, this.#scope),
      aggregate: () => {
        throw unsupported('an aggregate of an outer query in a subquery');
      },
      subquery: refuseSubquery,
    };
  }

  /** The rows, without junk columns and in no order: what a view or subquery is. */
  bind(): Relation {
    const { relation, shown, order, limit, offset } = this.select('for limit');
    const { numbering } = this.#binding;
    let result = relation;
    if (limit !== null || offset > 0) {
      numbering.countNode();
      const { plan, ids } = relation;
      result = { plan: { op: 'topk', input: plan, partition: [], order, limit, offset, columns: plan.columns }, ids };
    }
    if (shown.length === relation.ids.length) return result;
    return project(
      result,
      shown.map((position) => named(result, position)),
    );
  }

  /** `ordered`: a view has no order of its own, so there ORDER BY counts where it decides what is cut. */
  select(ordered: 'always' | 'for limit'): Selected {
    const query = this.#query;
    refuseUnsupported(query);
    const setOperations = query.maybe('setOperations');
    let input: Relation;
    let having: Expression[] = [];
    let grouping: Grouping | undefined;
    const before = this.#subqueries(this.#scope);
    let inHaving = before;
    let inTargets = before;
    if (setOperations === null) {
      input = this.#from();
      grouping = this.#grouping(before.scope);
      if (grouping !== undefined) {
        const scope = this.#groupScope(grouping, before.scope);
        inHaving = this.#subqueries(scope);
        inTargets = this.#subqueries(scope);
        having = conjuncts(query.maybe('havingQual')).flatMap((node) => inHaving.condition(node) ?? []);
      }
    } else {
      const leftmost = leftmostLeaf(setOperations);
      input = bindSetOperation(this.#binding, setOperations, (index) => this.#range(index));
      this.#ranges.set(leftmost, input);
    }
    const targets = query.nodes('targetList');
    const outputs = targets.map((target): NamedExpression => ({
      id: this.#binding.numbering.id(),
      name: target.text('resname') ?? '?column?',
      expression: this.#binding.binder.bind(target.node('expr'), inTargets.scope),
    }));
    input = before.over(input);
    // Now that everything is bound, the groups know their keys and aggregates.
    if (grouping !== undefined) input = inTargets.over(filter(inHaving.over(grouping.relation(input)), safeFirst(having)));
    // Hidden columns (grouped by, and not shown) tell no rows apart; DISTINCT is ordered by shown ones alone.
    const isDistinct = query.list('distinctClause').length > 0;
    const isKept = (target: TreeNode): boolean => !(isDistinct && target.flag('resjunk'));
    const kept = targets.filter(isKept);
    let relation = this.#project(
      input,
      outputs.filter((_, position) => isKept(targets[position]!)),
    );
    if (isDistinct) relation = this.distinct(relation);
    const shown = kept.flatMap((target, position) => (target.flag('resjunk') ? [] : [position]));
    const limit = this.#rowCount('limitCount', 'LIMIT');
    const offset = this.#rowCount('limitOffset', 'OFFSET') ?? 0;
    const order = ordered === 'always' || limit !== null || offset > 0 ? this.#order(kept, relation) : [];
    return { relation, shown, order, limit, offset };
  }

  distinct({ plan, ids }: Relation): Relation {
    this.#binding.numbering.countNode();
    for (const { type } of plan.columns) requireKeyType(type, 'DISTINCT');
    return { plan: { op: 'distinct', input: plan, columns: plan.columns }, ids };
  }

  #project(input: Relation, outputs: readonly NamedExpression[]): Relation {
    this.#binding.numbering.countNode();
    // SELECT without FROM: its one row is known.
    const constants = outputs.map(({ expression }) => expression).filter((expression) => expression.kind === 'constant');
    if (input.plan === ONE_ROW && constants.length === outputs.length) {
      return this.#values(
        [constants],
        outputs.map(({ name }) => name),
        outputs.map(({ id }) => id),
      );
    }
    return project(input, outputs);
  }

  #values(rows: readonly (readonly Constant[])[], names: readonly string[], ids: readonly number[]): Relation {
    const columns = names.map((name, i) => ({ name, type: must(rows[0]?.[i], 'a row of VALUES').type }));
    return { plan: { op: 'values', rows, columns }, ids };
  }

  // ── FROM and WHERE ──

  #from(): Relation {
    const tree = this.#query.node('jointree');
    return this.#group(tree.nodes('fromlist'), conjuncts(tree.maybe('quals')));
  }

  /** Items of FROM with conditions on them: inner joins are taken apart, outer joins are items. */
  #group(items: readonly TreeNode[], conditions: readonly TreeNode[]): Relation {
    const members: Relation[] = [];
    const quals: TreeNode[] = [];
    const collect = (item: TreeNode): void => {
      if (item.tag === 'RANGETBLREF') members.push(this.#range(item.number('rtindex')));
      else if (item.tag === 'JOINEXPR' && joinKind(item) === 'inner') {
        collect(item.node('larg'));
        collect(item.node('rarg'));
        quals.push(...conjuncts(item.maybe('quals')));
      } else members.push(this.#outerJoin(item));
    };
    for (const item of items) collect(item);
    if (members.length === 0) members.push({ plan: ONE_ROW, ids: [] });
    const subqueries = this.#subqueries(this.#scope);
    const all = [...quals, ...conditions];
    const plain = all.filter((node) => !hasSubquery(node)).map((node) => this.#binding.binder.bind(node, this.#scope));
    const others = all.filter(hasSubquery).flatMap((node) => subqueries.condition(node) ?? []);
    return filter(subqueries.over(this.#binding.joins.inner(members, plain)), safeFirst(others));
  }

  #outerJoin(item: TreeNode): Relation {
    const kind = joinKind(item);
    const left = this.#group([item.node('larg')], []);
    const right = this.#group([item.node('rarg')], []);
    const conditions = conjuncts(item.maybe('quals')).map((node) => this.#binding.binder.bind(node, this.#scope));
    switch (kind) {
      case 'left':
        return this.#binding.joins.left(left, right, conditions);
      case 'right':
        return this.#binding.joins.left(right, left, conditions);
      case 'full':
        throw unsupported('FULL JOIN', 'Write it as a LEFT JOIN UNION ALL the rows of the right side that have no match.');
      case 'inner':
        throw new TypeError('an inner join is no outer join');
    }
  }

  #range(index: number): Relation {
    const known = this.#ranges.get(index);
    if (known !== undefined) return known;
    const relation = this.#rangeOf(must(this.#table[index - 1], `range table entry ${index}`));
    this.#ranges.set(index, relation);
    return relation;
  }

  #rangeOf(entry: TreeNode): Relation {
    const { numbering } = this.#binding;
    numbering.countNode();
    if (entry.flag('lateral')) throw unsupported('LATERAL');
    switch (entry.number('rtekind')) {
      case 0:
        return this.#relation(entry);
      case 1:
        return renumbered(new QueryBinder(this.#binding, entry.node('subquery'), this).bind(), numbering);
      case 3:
        throw unsupported('a function in FROM');
      case 4:
        throw unsupported('XMLTABLE or JSON_TABLE');
      case 5:
        return this.#valuesEntry(entry);
      case 6:
        return this.#commonTable(entry);
      default:
        throw unsupported(`a range table entry of kind ${entry.number('rtekind')}`);
    }
  }

  #relation(entry: TreeNode): Relation {
    if (entry.maybe('tablesample') !== null) throw unsupported('TABLESAMPLE');
    const { loaded, numbering } = this.#binding;
    const { facts, query } = must(loaded.relations.get(entry.number('relid')), 'a loaded relation');
    if (query !== undefined) return this.#binding.shared(query, facts.name, () => new QueryBinder(this.#binding, query).bind());
    const plan: Plan = { op: 'scan', object: facts.objectId, pick: facts.columns.map((_, i) => i), columns: facts.columns };
    return { plan, ids: numbering.ids(facts.columns.length) };
  }

  #valuesEntry(entry: TreeNode): Relation {
    const names = entry.node('eref').list('colnames').map(String);
    const rows = entry.list('values_lists').map((row) =>
      (row as readonly TreeNode[]).map((node) => {
        const value = this.#binding.binder.bind(node, this.#scope);
        if (value.kind !== 'constant') throw unsupported('VALUES with anything but constants');
        return value;
      }),
    );
    return this.#values(rows, names, this.#binding.numbering.ids(names.length));
  }

  #commonTable(entry: TreeNode): Relation {
    const name = entry.text('ctename') ?? '';
    const home = this.#above(entry.number('ctelevelsup'));
    const table = must(
      home.#query.nodes('cteList').find((cte) => cte.text('ctename') === name),
      `CTE ${name}`,
    );
    if (table.flag('cterecursive')) throw unsupported('WITH RECURSIVE');
    const query = table.node('ctequery');
    return this.#binding.shared(query, name, () => new QueryBinder(this.#binding, query, home).bind());
  }

  /** The query so many levels up. */
  #above(levels: number): QueryBinder {
    return levels === 0 ? this : must(this.#parent, 'an outer query').#above(levels - 1);
  }

  #subqueries(around: Scope): Subqueries {
    return new Subqueries(this.#binding, around, (query, outer) => new QueryBinder(this.#binding, query, this, outer).bind());
  }

  /** `levels` above the query around this one. */
  #outerColumn(node: TreeNode, levels: number): Expression {
    if (this.#outer === undefined) {
      if (levels === 0 || this.#parent === undefined) throw unsupported('LATERAL');
      return this.#parent.#outerColumn(node, levels - 1);
    }
    const { scope, correlated } = this.#outer;
    const expression = scope.column(node, levels);
    const known = correlated.findIndex((one) => JSON.stringify(one) === JSON.stringify(expression));
    return { kind: 'outer', index: known >= 0 ? known : correlated.push(expression) - 1, type: expression.type };
  }

  /** A Var: of a relation its column, of a join what the join says. */
  #column(node: TreeNode, scope: Scope): Expression {
    const attribute = node.number('varattno');
    const index = node.number('varno');
    const entry = must(this.#table[index - 1], `range table entry ${index}`);
    if (attribute === 0) throw unsupported('a whole row as a value');
    if (attribute < 0) throw unsupported('a system column (ctid, xmin, tableoid …)');
    // A merged column of USING is its left side's; the tree says which.
    if (entry.number('rtekind') === 2) return this.#binding.binder.bind(entry.nodes('joinaliasvars')[attribute - 1]!, scope);
    const { plan, ids } = this.#range(index);
    return columnRef(must(ids[attribute - 1], 'a column'), plan.columns[attribute - 1]!.type);
  }

  // ── GROUP BY ──

  #grouping(before: Scope): Grouping | undefined {
    const query = this.#query;
    if (!query.flag('hasAggs') && query.list('groupClause').length === 0 && query.maybe('havingQual') === null) return undefined;
    const { context, binder, numbering } = this.#binding;
    const grouping = new Grouping(context, binder, numbering, before);
    // In the order written, before anything is bound that could add to them.
    const entry = this.#table.find((candidate) => candidate.number('rtekind') === GROUP_ENTRY);
    entry?.nodes('groupexprs').forEach((node, i) => grouping.addKey(nameIn(entry, i), binder.bind(node, before)));
    return grouping;
  }

  #groupScope(grouping: Grouping, before: Scope): Scope {
    const { binder } = this.#binding;
    return {
      column: (node, levels = node.number('varlevelsup')) => {
        if (levels > 0) return this.#outerColumn(node, levels - 1);
        const entry = this.#table[node.number('varno') - 1];
        const attribute = node.number('varattno');
        if (entry?.number('rtekind') === GROUP_ENTRY) {
          return grouping.addKey(nameIn(entry, attribute - 1), binder.bind(entry.nodes('groupexprs')[attribute - 1]!, before));
        }
        // Not in GROUP BY, yet allowed: the primary key is.
        const name = entry === undefined || attribute < 1 ? '?column?' : nameIn(entry, attribute - 1);
        return grouping.addDetermined(name, this.#column(node, this.#scope));
      },
      aggregate: (node) => {
        if (node.number('agglevelsup') > 0) throw unsupported('an aggregate of an outer query in a subquery');
        return grouping.aggregate(node);
      },
      subquery: refuseSubquery,
    };
  }

  // ── ORDER BY, LIMIT ──

  #order(targets: readonly TreeNode[], relation: Relation): SortKey[] {
    return this.#query.nodes('sortClause').map((clause) => {
      const position = targets.findIndex((target) => target.number('ressortgroupref') === clause.number('tleSortGroupRef'));
      assert(position >= 0, 'the target of ORDER BY');
      const operator = this.#binding.context.operatorOf(clause.number('sortop'));
      if (operator === undefined || (operator.name !== '<' && operator.name !== '>')) throw unsupported('ORDER BY … USING');
      const { type } = relation.plan.columns[position]!;
      requireOrder(type, 'ORDER BY');
      return {
        expression: columnRef(position, type),
        descending: operator.name === '>',
        nullsFirst: clause.flag('nulls_first'),
        ...(type.collation === undefined ? {} : { collation: type.collation }),
      };
    });
  }

  #rowCount(field: string, clause: 'LIMIT' | 'OFFSET'): number | null {
    const node = this.#query.maybe(field);
    if (node === null) return null;
    const value = this.#binding.binder.bind(node, this.#scope);
    if (value.kind !== 'constant') throw unsupported(`${clause} with anything but a constant`);
    if (value.text === null) return null;
    if (Number(value.text) < 0) throw millraceError('LIMIT_INVALID', { clause });
    return Number(value.text);
  }
}

/** FROM of a query without one. The column is nobody's: rows need one to be rows. */
const ONE_ROW: Plan = (() => {
  const type = { oid: 16, name: 'boolean', kind: 'base', storage: 'bool', typmod: -1 } as const;
  return { op: 'values', rows: [[{ kind: 'constant', text: 't', type }]], columns: [{ name: 'row', type }] };
})();

const GROUP_ENTRY = 9;

function joinKind(item: TreeNode): JoinKind {
  const kind = JOIN_KINDS[item.number('jointype')];
  if (kind === undefined) throw unsupported(`a join of type ${item.number('jointype')}`);
  return kind;
}

function nameIn(entry: TreeNode, position: number): string {
  const name = entry.node('eref').list('colnames')[position];
  return typeof name === 'string' ? name : '?column?';
}

function leftmostLeaf(node: TreeNode): number {
  return node.tag === 'RANGETBLREF' ? node.number('rtindex') : leftmostLeaf(node.node('larg'));
}

function named(relation: Relation, position: number): NamedExpression {
  const expression = refsOf(relation)[position]!;
  return { id: relation.ids[position]!, name: relation.plan.columns[position]!.name, expression };
}

/** The same rows at another place of the query: ids of its own. */
function renumbered({ plan }: Relation, numbering: Numbering): Relation {
  return { plan, ids: numbering.ids(plan.columns.length) };
}
