/**
 * A scalar expression of Postgres's analysed tree → an expression of the plan. Names, overloads and coercions are decided already (I-5): this only changes the
 * form. What the plan has no form for was made SQL for Postgres by `load.ts`; what cannot be either is refused by the name of the SQL feature (I-8).
 * Pure. Called by `bind-query.ts` and its neighbours, which say what a Var or an aggregate means where the expression stands.
 */
import { must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import { qualified } from '../../base/ident.ts';
import type { Constant, Expression } from '../../dataflow/plan/expression.ts';
import type { Collation, PgType } from '../../values/type.ts';
import { arrayElements } from './constant.ts';
import type { PlanContext } from './context.ts';
import { listOf, type Loaded } from './load.ts';
import type { TreeNode } from './node-tree.ts';
import { PG_TYPEOF } from './volatility.ts';

/** What the leaves mean. */
export interface Scope {
  column(node: TreeNode): Expression;
  aggregate(node: TreeNode): Expression;
  subquery(node: TreeNode): Expression;
}

type BooleanTest = Extract<Expression, { kind: 'booleanTest' }>['test'];
const BOOLEAN_TESTS: readonly BooleanTest[] = ['true', 'notTrue', 'false', 'notFalse', 'unknown', 'notUnknown'];

const FEATURES: Readonly<Record<string, string>> = {
  WINDOWFUNC: 'a window function',
  GROUPINGFUNC: 'GROUPING()',
  COERCETODOMAIN: 'a cast to a domain',
  CONVERTROWTYPEEXPR: 'a cast between row types',
  FIELDSTORE: 'assignment to a field',
  MERGESUPPORTFUNC: 'MERGE_ACTION()',
  NEXTVALUEEXPR: 'nextval()',
  CURRENTOFEXPR: 'CURRENT OF',
  SETTODEFAULT: 'DEFAULT',
  COERCETODOMAINVALUE: 'VALUE of a domain',
};

export class ExpressionBinder {
  readonly #context: PlanContext;
  readonly #loaded: Loaded;

  constructor(context: PlanContext, loaded: Loaded) {
    this.#context = context;
    this.#loaded = loaded;
  }

  bind(node: TreeNode, scope: Scope, test?: Expression): Expression {
    const bind = (inner: TreeNode): Expression => this.bind(inner, scope, test);
    const bindAll = (field: string): Expression[] => node.nodes(field).map(bind);
    const constant = this.#loaded.constants.get(node);
    if (constant !== undefined) {
      // An argument of "any" may still be an untyped literal; it is text, as it would be in a select list.
      const type = this.typeOf(node);
      return { kind: 'constant', text: constant, type: type.oid === UNKNOWN_OID ? this.#context.typeOf(TEXT_OID) : type };
    }
    const fallback = this.#loaded.fallbacks.get(node);
    if (fallback !== undefined) {
      const { sql, exactness } = fallback;
      return { kind: 'fallback', sql, args: fallback.args.map(bind), strict: false, type: this.typeOf(node), exactness };
    }
    switch (node.tag) {
      case 'VAR':
        return scope.column(node);
      case 'AGGREF':
        return scope.aggregate(node);
      case 'SUBLINK':
        return scope.subquery(node);
      case 'CASETESTEXPR':
        return must(test, 'the value that CASE tests');
      case 'FUNCEXPR': {
        if (node.flag('funcretset')) {
          throw millraceError('FEATURE_NOT_SUPPORTED', { feature: `the set-returning function ${this.#name(node.number('funcid'))}()` });
        }
        if (node.number('funcid') === PG_TYPEOF) {
          const [arg] = node.nodes('args');
          return { kind: 'constant', text: this.#context.shownName(this.typeOf(arg!)), type: this.typeOf(node) };
        }
        return this.#call(node, 'funcid', undefined, bindAll('args'));
      }
      case 'OPEXPR': {
        const operator = this.#context.operatorOf(node.number('opno'));
        return this.#call(node, 'opfuncid', operator?.name, bindAll('args'));
      }
      case 'DISTINCTEXPR':
      case 'NULLIFEXPR': {
        const [a, b] = bindAll('args') as [Expression, Expression];
        const kind = node.tag === 'NULLIFEXPR' ? 'nullIf' : 'isDistinct';
        return { kind, equal: node.number('opfuncid'), args: [a, b], ...this.#inputCollation(node), type: this.typeOf(node) };
      }
      case 'SCALARARRAYOPEXPR':
        return this.#anyAll(node, bind, scope, test);
      case 'BOOLEXPR': {
        const args = bindAll('args');
        const type = this.typeOf(node);
        if (node.text('boolop') === 'not') return { kind: 'not', arg: args[0]!, type };
        return { kind: node.text('boolop') === 'and' ? 'and' : 'or', args, type };
      }
      case 'RELABELTYPE':
        return relabelled(bind(node.node('arg')), this.typeOf(node));
      case 'COLLATEEXPR':
        return relabelled(bind(node.node('arg')), this.typeOf(node));
      case 'COERCEVIAIO':
        return { kind: 'ioCast', arg: bind(node.node('arg')), type: this.typeOf(node) };
      case 'CASEEXPR': {
        const tested = node.maybe('arg');
        const value = tested === null ? undefined : bind(tested);
        const type = this.typeOf(node);
        const otherwise = node.maybe('defresult');
        return {
          kind: 'case',
          whens: node.nodes('args').map((when) => ({
            // The tested value stands in the WHEN alone: a result may have a CASE of its own around.
            when: this.bind(when.node('expr'), scope, value),
            // oxlint-disable-next-line unicorn/no-thenable -- CASE has its THEN.
            then: bind(when.node('result')),
          })),
          otherwise: otherwise === null ? { kind: 'constant', text: null, type } : bind(otherwise),
          type,
        };
      }
      case 'COALESCEEXPR':
        return { kind: 'coalesce', args: bindAll('args'), type: this.typeOf(node) };
      case 'MINMAXEXPR': {
        const which = node.number('op') === 0 ? 'greatest' : 'least';
        return { kind: 'minMax', which, args: bindAll('args'), ...this.#inputCollation(node), type: this.typeOf(node) };
      }
      case 'NULLTEST':
        return { kind: 'isNull', arg: bind(node.node('arg')), negated: node.number('nulltesttype') === 1, type: this.typeOf(node) };
      case 'BOOLEANTEST': {
        const kind = must(BOOLEAN_TESTS[node.number('booltesttype')], 'a boolean test');
        return { kind: 'booleanTest', test: kind, arg: bind(node.node('arg')), type: this.typeOf(node) };
      }
      default:
        throw millraceError('FEATURE_NOT_SUPPORTED', { feature: FEATURES[node.tag] ?? `the expression ${node.tag}` });
    }
  }

  /** exprType, exprTypmod and exprCollation of Postgres. */
  typeOf(node: TreeNode): PgType {
    const of = (oid: string, typmod: string, collation: string): PgType =>
      this.#context.typeOf(node.number(oid), node.number(typmod), node.number(collation));
    const free = (oid: number, collation = 0): PgType => this.#context.typeOf(oid, -1, collation);
    switch (node.tag) {
      case 'VAR':
        return of('vartype', 'vartypmod', 'varcollid');
      case 'CONST':
        return of('consttype', 'consttypmod', 'constcollid');
      case 'PARAM':
        return of('paramtype', 'paramtypmod', 'paramcollid');
      case 'AGGREF':
        return free(node.number('aggtype'), node.number('aggcollid'));
      case 'FUNCEXPR':
        return this.#context.typeOf(node.number('funcresulttype'), this.#lengthCoercion(node), node.number('funccollid'));
      case 'OPEXPR':
        return free(node.number('opresulttype'), node.number('opcollid'));
      case 'NULLIFEXPR': {
        const [first] = node.nodes('args');
        return this.typeOf(first!);
      }
      case 'RELABELTYPE':
        return of('resulttype', 'resulttypmod', 'resultcollid');
      case 'ARRAYCOERCEEXPR':
        return of('resulttype', 'resulttypmod', 'resultcollid');
      case 'COERCEVIAIO':
        return free(node.number('resulttype'), node.number('resultcollid'));
      case 'COLLATEEXPR': {
        const { oid, typmod } = this.typeOf(node.node('arg'));
        return this.#context.typeOf(oid, typmod, node.number('collOid'));
      }
      case 'CASEEXPR': {
        const results = node.nodes('args').map((when) => this.typeOf(when.node('result')).typmod);
        const otherwise = node.maybe('defresult');
        if (otherwise !== null) results.push(this.typeOf(otherwise).typmod);
        return this.#context.typeOf(node.number('casetype'), agreed(results), node.number('casecollid'));
      }
      case 'COALESCEEXPR':
        return this.#ofArguments(node, 'coalescetype', 'coalescecollid');
      case 'MINMAXEXPR':
        return this.#ofArguments(node, 'minmaxtype', 'minmaxcollid');
      case 'SQLVALUEFUNCTION':
        return this.#context.typeOf(node.number('type'), node.number('typmod'));
      case 'CASETESTEXPR':
        return of('typeId', 'typeMod', 'collation');
      case 'ARRAYEXPR':
        return free(node.number('array_typeid'), node.number('array_collid'));
      case 'SUBSCRIPTINGREF':
        return of('refrestype', 'reftypmod', 'refcollid');
      case 'ROWEXPR':
        return free(node.number('row_typeid'));
      case 'FIELDSELECT':
        return of('resulttype', 'resulttypmod', 'resultcollid');
      case 'JSONCONSTRUCTOREXPR':
      case 'JSONEXPR': {
        const returning = node.node('returning');
        return this.#context.typeOf(returning.number('typid'), returning.number('typmod'));
      }
      case 'XMLEXPR':
        return free(node.number('type'));
      case 'DISTINCTEXPR':
      case 'SCALARARRAYOPEXPR':
      case 'BOOLEXPR':
      case 'NULLTEST':
      case 'BOOLEANTEST':
      case 'ROWCOMPAREEXPR':
      case 'JSONISPREDICATE':
        return free(BOOL_OID);
      default:
        throw millraceError('FEATURE_NOT_SUPPORTED', { feature: FEATURES[node.tag] ?? `the expression ${node.tag}` });
    }
  }

  #ofArguments(node: TreeNode, type: string, collation: string): PgType {
    const typmods = node.nodes('args').map((arg) => this.typeOf(arg).typmod);
    return this.#context.typeOf(node.number(type), agreed(typmods), node.number(collation));
  }

  /** `x::numeric(10,2)`, `x::varchar(5)`: a cast function whose second argument is the length. */
  #lengthCoercion(node: TreeNode): number {
    const isCast = node.number('funcformat') === 1 || node.number('funcformat') === 2;
    const [, length] = node.nodes('args');
    if (!isCast || length?.tag !== 'CONST' || length.number('consttype') !== INT4_OID || length.flag('constisnull')) return -1;
    return Number(this.#loaded.constants.get(length) ?? -1);
  }

  #call(node: TreeNode, field: string, operator: string | undefined, args: readonly Expression[]): Expression {
    const facts = must(this.#context.functionOf(node.number(field)), 'a function judged by load');
    return {
      kind: 'call',
      proc: facts.oid,
      procName: qualified('pg_catalog', facts.name),
      ...(operator === undefined ? {} : { operator }),
      args,
      strict: facts.strict,
      ...this.#inputCollation(node),
      type: this.typeOf(node),
    };
  }

  #anyAll(node: TreeNode, bind: (node: TreeNode) => Expression, scope: Scope, test: Expression | undefined): Expression {
    const [left, array] = node.nodes('args') as [TreeNode, TreeNode];
    const type = this.typeOf(node);
    const elements = this.#elements(array, bind, scope, test);
    const quantifier = node.flag('useOr') ? 'any' : 'all';
    if (elements === null) return { kind: 'constant', text: null, type };
    // Over no element ANY is false and ALL is true, even for NULL.
    if (elements.length === 0) return { kind: 'constant', text: quantifier === 'any' ? 'f' : 't', type };
    const facts = must(this.#context.functionOf(node.number('opfuncid')), 'a function judged by load');
    return {
      kind: 'anyAll',
      quantifier,
      proc: facts.oid,
      procName: qualified('pg_catalog', facts.name),
      left: bind(left),
      elements,
      ...this.#inputCollation(node),
      type,
    };
  }

  #elements(array: TreeNode, bind: (node: TreeNode) => Expression, scope: Scope, test: Expression | undefined): Expression[] | null {
    const list = listOf(array);
    if (list !== undefined) {
      const { elementExpression } = list;
      return list.elements.map((element) => {
        const bound = this.bind(element, scope, test);
        return elementExpression === undefined ? bound : this.bind(elementExpression, scope, bound);
      });
    }
    const bound = bind(array);
    if (bound.kind === 'constant' && bound.text === null) return null;
    const texts = bound.kind === 'constant' ? arrayElements(bound.text ?? '') : undefined;
    const element = (bound.type.base ?? bound.type).element;
    if (texts === undefined || element === undefined) {
      throw millraceError('FEATURE_NOT_SUPPORTED', { feature: 'ANY or ALL over an array of several dimensions' });
    }
    return texts.map((text): Constant => ({ kind: 'constant', text, type: element }));
  }

  #inputCollation(node: TreeNode): { collation?: Collation } {
    const collation = this.#context.collation(node.number('inputcollid'));
    return collation === undefined ? {} : { collation };
  }

  #name(oid: number): string {
    return this.#context.functionOf(oid)?.name ?? `with OID ${oid}`;
  }
}

const BOOL_OID = 16;
const INT4_OID = 23;
const TEXT_OID = 25;
const UNKNOWN_OID = 705;

function agreed(typmods: readonly number[]): number {
  const [first] = typmods;
  return first !== undefined && typmods.every((typmod) => typmod === first) ? first : -1;
}

/** A constant takes the new name; integers that become OIDs keep the step, because their text may change. */
export function relabelled(arg: Expression, type: PgType): Expression {
  if (arg.kind === 'constant' && (arg.text === null || (arg.type.storage === type.storage && type.storage === 'text'))) {
    return { kind: 'constant', text: arg.text, type };
  }
  return { kind: 'relabel', arg, type };
}

/** The conjuncts of a condition. */
export function conjuncts(node: TreeNode | null): TreeNode[] {
  if (node === null) return [];
  return node.tag === 'BOOLEXPR' && node.text('boolop') === 'and' ? node.nodes('args').flatMap(conjuncts) : [node];
}
