/**
 * A scalar expression of Postgres's analysed tree → an expression of the plan. Names, overloads and coercions are decided already (I-5): this only changes the
 * form. What the plan has no form for was made SQL for Postgres by `load.ts`; what cannot be either is refused by the name of the SQL feature (I-8).
 * Pure. Called by `bind-query.ts` and its neighbours, which say what a Var or an aggregate means where the expression stands.
 */
import { must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import { qualified } from '../../base/ident.ts';
import type { Constant, Expression } from '../../plan/expression.ts';
import type { Collation, PgType } from '../../values/type.ts';
import { arrayElements } from '../tree/constant.ts';
import { PG_TYPEOF, type FunctionFacts } from '../../plan/facts/function.ts';
import type { OperatorFacts, PlanContext } from '../tree/context.ts';
import { requireCallable, requireOrderOfValues, requireOwn } from '../judge/key-type.ts';
import { FUNCTION_FIELD, listOf, type Loaded } from '../tree/load.ts';
import type { TreeNode } from '../tree/node-tree.ts';

/** What the leaves mean. */
export interface Scope {
  /** Of the query so many levels up (the Var says it). */
  column(node: TreeNode, levels?: number): Expression;
  aggregate(node: TreeNode): Expression;
  subquery(node: TreeNode): Expression;
  /** In the comparison of IN and ANY: a column of the subquery, from 1. */
  readonly parameter?: (number: number) => Expression;
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

  /** Long: one case a node tag. */
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
      this.#foreignOut(node);
      return { kind: 'fallback', sql, args: fallback.args.map(bind), strict: false, type: this.typeOf(node), exactness };
    }
    switch (node.tag) {
      case 'VAR':
        return scope.column(node);
      case 'AGGREF':
        return scope.aggregate(node);
      case 'SUBLINK':
        return scope.subquery(node);
      case 'PARAM':
        return must(scope.parameter, 'a subquery around its parameter')(node.number('paramid'));
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
        this.#requireCallable(node, 'opfuncid', [a, b]);
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
        return this.#relabel(node, bind(node.node('arg')));
      case 'COLLATEEXPR':
        return relabelled(bind(node.node('arg')), this.typeOf(node));
      case 'COERCEVIAIO':
        return { kind: 'ioCast', arg: bind(node.node('arg')), type: this.typeOf(node) };
      case 'CASEEXPR': {
        const tested = node.maybe('arg');
        const value = tested === null ? undefined : bind(tested);
        const type = this.typeOf(node);
        const defaultResult = node.maybe('defresult');
        const whens = node.nodes('args').map((when) => ({
          // The tested value stands in the WHEN alone: a result may have a CASE of its own around.
          when: this.bind(when.node('expr'), scope, value),
          // oxlint-disable-next-line unicorn/no-thenable -- CASE has its THEN.
          then: bind(when.node('result')),
        }));
        const otherwise: Expression = defaultResult === null ? { kind: 'constant', text: null, type } : bind(defaultResult);
        return { kind: 'case', whens, otherwise, type: carrying(type, [...whens.map(({ then }) => then), otherwise]) };
      }
      case 'COALESCEEXPR': {
        const args = bindAll('args');
        return { kind: 'coalesce', args, type: carrying(this.typeOf(node), args) };
      }
      case 'MINMAXEXPR': {
        const which = node.number('op') === 0 ? 'greatest' : 'least';
        const args = bindAll('args');
        requireOrderOfValues(carrying(this.typeOf(node), args), which.toUpperCase());
        return { kind: 'minMax', which, args, ...this.#inputCollation(node), type: this.typeOf(node) };
      }
      case 'ROWCOMPAREEXPR':
        return this.#rowComparison(node, bindAll('largs'), bindAll('rargs'));
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
      case 'SUBLINK': {
        if (node.number('subLinkType') !== SCALAR) return free(BOOL_OID);
        const [target] = node.node('subselect').nodes('targetList');
        return this.typeOf(must(target, 'the column of a scalar subquery').node('expr'));
      }
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
    const facts = this.#requireCallable(node, field, args);
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
    const bound = bind(left);
    const facts = this.#requireCallable(node, 'opfuncid', [bound, ...elements.slice(0, 1)]);
    return {
      kind: 'anyAll',
      quantifier,
      proc: facts.oid,
      procName: qualified('pg_catalog', facts.name),
      left: bound,
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

  #requireCallable(node: TreeNode, field: string, args: readonly Expression[]): FunctionFacts {
    const facts = must(this.#context.functionOf(node.number(field)), 'a function judged by load');
    const types = args.map(({ type }) => type);
    requireCallable(facts, types, this.#context.collation(node.number('inputcollid')));
    return facts;
  }

  /** Where an operator takes a foreign value for text, it stays foreign: text is not what the upstream's own type means. A cast that is written means the text. */
  #relabel(node: TreeNode, arg: Expression): Expression {
    const type = this.typeOf(node);
    if (arg.kind !== 'constant' && arg.type.storage !== type.storage) {
      throw millraceError('FEATURE_NOT_SUPPORTED', {
        feature: `the OID of a ${arg.type.name}`,
        instead: 'Cast it to text: the rows hold the name that the upstream prints.',
      });
    }
    return relabelled(arg, node.number('relabelformat') === IMPLICIT_CAST ? carrying(type, [arg]) : type);
  }

  /**
   * The foreign type of what comes out of an expression that Postgres evaluates as SQL. It would take such a value for text: refused wherever it does more with it
   * than putting it into an array or row, taking it out, or casting it as written.
   */
  #foreignOut(node: TreeNode): PgType | undefined {
    if (LEAVES.has(node.tag)) return foreignOnly(this.typeOf(node));
    const below = node.tag === 'ARRAYCOERCEEXPR' ? [node.node('arg')] : [...node.children()];
    const inside = below.map((child) => this.#foreignOut(child)).find((type) => type !== undefined);
    const field = FUNCTION_FIELD[node.tag];
    const facts = field === undefined ? undefined : this.#context.functionOf(node.number(field));
    if (facts !== undefined)
      requireCallable(facts, inside === undefined ? [] : [inside], this.#context.collation(node.number('inputcollid')));
    if (inside === undefined) return undefined;
    const cast = CAST_FORMAT[node.tag];
    if (cast !== undefined && node.number(cast) !== IMPLICIT_CAST) return undefined;
    if (cast !== undefined || !PASSING.has(node.tag)) requireOwn(inside, COMPUTING);
    return node.tag === 'FIELDSELECT' || node.tag === 'SUBSCRIPTINGREF' ? foreignOnly(this.typeOf(node)) : inside;
  }

  /** (a, b) <= (c, d)  =  a < c OR (a = c AND b <= d): each column under its own collation, as far as it is asked. */
  #rowComparison(node: TreeNode, left: readonly Expression[], right: readonly Expression[]): Expression {
    const type = this.#context.typeOf(BOOL_OID);
    const collations = node.numbers('inputcollids');
    const compare = (at: number, operator: OperatorFacts): Expression => {
      const facts = this.#context.functionOf(operator.proc);
      if (facts === undefined) throw millraceError('USER_FUNCTION', { function: operator.name });
      const collation = this.#context.collation(collations[at] ?? 0);
      const args = [left[at]!, right[at]!];
      requireCallable(
        facts,
        args.map((arg) => arg.type),
        collation,
      );
      const collated = collation === undefined ? {} : { collation };
      return {
        kind: 'call',
        proc: facts.oid,
        procName: qualified('pg_catalog', facts.name),
        operator: operator.name,
        args,
        strict: facts.strict,
        ...collated,
        type,
      };
    };
    const operators = node.numbers('opnos').map((oid) => this.#context.operatorOf(oid));
    const last = operators.length - 1;
    const from = (at: number): Expression => {
      const written = operators[at];
      if (written === undefined) throw millraceError('USER_FUNCTION', { function: 'an operator' });
      if (at === last) return compare(at, written);
      const named = (name: string): OperatorFacts => {
        const found = this.#context.operatorNamed(name, written.left, written.right);
        if (found === undefined) throw millraceError('FEATURE_NOT_SUPPORTED', { feature: `a comparison of rows by ${written.name}` });
        return found;
      };
      const strictly = compare(at, named(written.name.charAt(0)));
      const rest: Expression = { kind: 'and', args: [compare(at, named('=')), from(at + 1)], type };
      return { kind: 'or', args: [strictly, rest], type };
    };
    return from(0);
  }

  #inputCollation(node: TreeNode): { collation?: Collation } {
    const collation = this.#context.collation(node.number('inputcollid'));
    return collation === undefined ? {} : { collation };
  }

  #name(oid: number): string {
    return this.#context.functionOf(oid)?.name ?? `with OID ${oid}`;
  }
}

/** A type as what may be one of these: foreign, if one of them is. */
export function carrying(type: PgType, parts: readonly { readonly type: PgType }[]): PgType {
  const foreign = type.foreign ?? parts.find((part) => part.type.foreign !== undefined)?.type.foreign;
  return foreign === type.foreign || foreign === undefined ? type : { ...type, foreign };
}

/** CoercionForm: COERCE_IMPLICIT_CAST. */
const IMPLICIT_CAST = 2;
const COMPUTING = 'a comparison or function';
const LEAVES = new Set(['VAR', 'PARAM', 'AGGREF', 'CONST']);
const CAST_FORMAT: Readonly<Record<string, string>> = {
  RELABELTYPE: 'relabelformat',
  COERCEVIAIO: 'coerceformat',
  ARRAYCOERCEEXPR: 'coerceformat',
};
/** What looks into no value. */
const PASSING = new Set(['ARRAYEXPR', 'ROWEXPR', 'FIELDSELECT', 'SUBSCRIPTINGREF', 'CASEEXPR', 'CASEWHEN', 'COALESCEEXPR', 'NULLTEST']);

function foreignOnly(type: PgType): PgType | undefined {
  return type.foreign === undefined ? undefined : type;
}

/** SubLinkType: EXPR_SUBLINK. */
const SCALAR = 4;
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
