import { defineErrors, of } from './define.ts';

/** What would do something upstream; the rest is another product's, or a form that Millrace does not have. */
const POSTGRES_HAS =
  /^(?:(?:ANALYZE|CALL|CHECKPOINT|CLUSTER|COMMENT|DO|GRANT|IMPORT|LOCK|NOTIFY|REASSIGN|REFRESH|REINDEX|REVOKE|SECURITY|VACUUM)\b|(?:CREATE|ALTER|DROP) (?:AGGREGATE|CAST|COLLATION|DATABASE|DOMAIN|EXTENSION|FUNCTION|OPERATOR|POLICY|PROCEDURE|PUBLICATION|ROLE|RULE|SCHEMA|SEQUENCE|TABLE|TRIGGER|TYPE|USER)\b)/;

/** Errors of the room: sql. */
export const sqlErrors = defineErrors({
  SYNTAX_ERROR: of<{ near: string; expected?: string }>({
    sqlstate: '42601',
    says: ({ near }) => (near === '' ? 'syntax error at end of input' : `syntax error at or near "${near}"`),
    because: "The statement is not one of Millrace's own, or not written as its grammar wants.",
    detail: ({ expected }) => (expected === undefined ? undefined : `Expected ${expected}.`),
  }),
  STATEMENT_READ_ONLY: {
    sqlstate: '25006',
    says: ({ statement }: { statement: string }) => `cannot execute ${statement} in a read-only transaction`,
    because: 'Millrace serves views of another database and changes no rows of its own.',
    mend: () => 'Write to the upstream database: the change arrives here by itself.',
  },
  STATEMENT_UNSUPPORTED: of<{ statement: string; instead?: string }>({
    sqlstate: '0A000',
    says: ({ statement }) => `${statement} is not supported`,
    because: 'Millrace has a few statements of its own and Postgres’s SELECT; the rest belongs to the upstream database.',
    mend: ({ statement, instead }) =>
      instead ??
      `${POSTGRES_HAS.test(statement) ? 'Run it on the upstream database' : 'Leave it out'}; docs/reference/sql.md lists what Millrace understands.`,
  }),
  OPTION_UNKNOWN: of<{ statement: string; option: string; known: readonly string[] }>({
    sqlstate: '42601',
    says: ({ statement, option }) => `${statement} has no option ${option}`,
    because: 'An option that is silently ignored would be a surprise later.',
    mend: ({ known }) => `Its options: ${known.join(', ')}.`,
  }),
  OPTION_MISSING: {
    sqlstate: '42601',
    says: ({ statement, option }: { statement: string; option: string }) => `${statement} must specify ${option}`,
    because: 'There is no safe default for it.',
  },
  OPTION_REFUSED: of<{ option: string; value: string; accepted: string }>({
    sqlstate: '22023',
    says: ({ option, value }) => `invalid value for ${option}: "${value}"`,
    because: 'The value is not one that the option takes.',
    mend: ({ accepted }) => `Give ${accepted}.`,
  }),
  SECRET_IN_STATEMENT: {
    sqlstate: '42601',
    says: () => 'PASSWORD takes a secret, not a literal',
    because: 'The statement that made a connection is shown again by SHOW CREATE CONNECTION, and a password must not be in it.',
    mend: () => "CREATE SECRET pg_password AS '…'; then PASSWORD SECRET pg_password.",
  },
  FEATURE_NOT_SUPPORTED: of<{ feature: string; instead?: string }>({
    sqlstate: '0A000',
    says: ({ feature }) => `${feature} cannot be maintained incrementally yet`,
    because: 'Millrace refuses at CREATE what it cannot keep exact (I-1), by the name of the SQL feature.',
    mend: ({ instead }) => instead ?? 'Write the query without it, or run it on the upstream database.',
  }),
  NOT_DETERMINISTIC: of<{ function: string; why: string }>({
    sqlstate: '0A000',
    says: ({ function: name }) => `${name} cannot be used in a view`,
    because: 'A view must be a function of the upstream rows alone: otherwise it would change without any change, or never.',
    detail: ({ why }) => why,
    mend: () => 'Leave it out of the view and apply it when querying the view.',
  }),
  VOLATILE_IN_QUERY: {
    sqlstate: '0A000',
    says: ({ function: name }: { function: string }) => `${name} cannot be called over the rows of a view or table`,
    because: 'A VOLATILE function gives another answer at every call; the dataflow calls functions once a distinct argument.',
    mend: () => 'Apply it in the client.',
  },
  DEPENDS_ON_SESSION: of<{ function: string; why: string }>({
    sqlstate: '0A000',
    says: ({ function: name }) => `${name} cannot be called over the rows of a view or table`,
    because: 'Rows are computed away from the session and its system catalog; a call of such a function over constants alone is answered.',
    detail: ({ why }) => why,
    mend: ({ function: name }) =>
      name === 'pg_column_size()'
        ? 'Take octet_length(c::text), or ask the upstream database.'
        : name === 'age()'
          ? 'Say from when: age(current_date, c).'
          : 'Apply it in the client, or ask the upstream database.',
  }),
  USER_FUNCTION: {
    sqlstate: '0A000',
    says: ({ function: name }: { function: string }) => `the user-defined function ${name} is not available here`,
    because: 'The mirror holds no code of the upstream; only functions that come with Postgres run here.',
    mend: () => 'Write its expression into the query.',
  },
  KEY_TYPE_UNSUPPORTED: {
    sqlstate: '0A000',
    says: ({ what, type }: { what: string; type: string }) => `${what} of type ${type} is not supported`,
    because: 'Equal values of this type may be written differently, so that a hash of the text would tell them apart.',
    mend: () => 'Cast it to text where equality of the text is meant.',
  },
  COLLATION_UNSUPPORTED: of<{ what: string; type: string; collation: string }>({
    sqlstate: '0A000',
    says: ({ what, type, collation }) => `${what} of type ${type} under the collation "${collation}" is not supported`,
    because:
      'Which texts are equal under a nondeterministic collation, or how texts inside an array are ordered, only the upstream can say.',
    mend: () => 'Name another collation where the bytes of the text are meant: x COLLATE "C".',
  }),
  LIMIT_INVALID: {
    sqlstate: '2201W',
    says: ({ clause }: { clause: 'LIMIT' | 'OFFSET' }) => `${clause} must not be negative`,
    because: 'A negative number of rows has no meaning, in Postgres neither.',
  },
  PLAN_TOO_LARGE: {
    sqlstate: '54001',
    says: ({ nodesMax }: { nodesMax: number }) => `the query becomes a plan of more than ${nodesMax} operators`,
    because: 'Every reference to a view or CTE is planned by itself, and a plan has a limit (I-6).',
    mend: () => 'Make the part that is used several times a materialized view.',
  },
  STATEMENT_TREE_TOO_LARGE: of<{ what: 'levels' | 'characters' | 'tokens' | 'comparisons'; is: number; max: number }>({
    sqlstate: '54001',
    says: ({ what, is, max }) =>
      what === 'levels'
        ? `the statement nests ${is} levels deep, more than ${max}`
        : what === 'comparisons'
          ? `the statement compares a value with ${is} others one by one, more than ${max}`
          : what === 'tokens'
            ? `the statement has more than ${max} words, values and symbols`
            : `the statement's query tree has ${is} characters, more than ${max}`,
    because: 'A query tree is planned on the thread that serves all clients, and what is too deep ends on a stack somewhere (I-6).',
    mend: ({ what }) =>
      what === 'levels'
        ? 'Split the expression, with a common table expression for its parts.'
        : what === 'comparisons'
          ? 'Compare by = with values of its own type (= ANY ($1)), which are looked up, or split the list over several statements.'
          : "Send a long list as one array parameter, = ANY ($1), or as one text: = ANY ('{1,2,3}').",
  }),
  PARAMETER_MISSING: {
    sqlstate: '42P02',
    says: ({ number }: { number: number }) => `there is no parameter $${number}`,
    because: 'Every parameter of a statement needs a value when it is executed.',
  },
});
