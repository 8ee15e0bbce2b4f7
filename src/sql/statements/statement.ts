/** What a client's statement is, once told apart: plain data for the session. Only Millrace's own DDL has parts; a query is its text. */

export interface Name {
  readonly schema?: string;
  readonly name: string;
}

export type Statement =
  | { readonly kind: 'query'; readonly text: string }
  | { readonly kind: 'createSecret'; readonly name: string; readonly ifNotExists: boolean; readonly value: string }
  | { readonly kind: 'alterSecret'; readonly name: string; readonly value: string }
  | { readonly kind: 'refreshSource'; readonly name: string }
  | {
      readonly kind: 'alterConnection';
      readonly name: string;
      readonly ifExists: boolean;
      readonly set: Readonly<Record<string, OptionValue>>;
      /** By libpq's names, as the keys of `set`. */
      readonly reset: readonly string[];
      readonly validate: boolean;
    }
  | {
      readonly kind: 'createConnection';
      readonly name: string;
      readonly ifNotExists: boolean;
      readonly options: Readonly<Record<string, OptionValue>>;
      readonly validate: boolean;
    }
  | {
      readonly kind: 'createSource';
      readonly name: string;
      readonly ifNotExists: boolean;
      readonly connection: string;
      readonly publication: string;
      readonly tables: SourceTables;
    }
  | { readonly kind: 'createTable'; readonly name: Name; readonly ifNotExists: boolean; readonly source: string; readonly reference: Name }
  | CreateView
  | {
      readonly kind: 'createIndex';
      readonly name: string | undefined;
      readonly ifNotExists: boolean;
      readonly on: Name;
      readonly columns: readonly string[] | undefined;
    }
  | {
      readonly kind: 'drop';
      readonly object: DropKind;
      readonly names: readonly Name[];
      readonly ifExists: boolean;
      readonly cascade: boolean;
    }
  | { readonly kind: 'show'; readonly what: ShowKind; readonly on?: Name; readonly like?: string }
  | { readonly kind: 'showCreate'; readonly object: DropKind; readonly name: Name }
  | { readonly kind: 'showSetting'; readonly name: string }
  | { readonly kind: 'validateConnection'; readonly name: string }
  | { readonly kind: 'subscribe'; readonly target: SubscribeTarget; readonly snapshot: boolean; readonly progress: boolean }
  | { readonly kind: 'copyOut'; readonly inner: Statement }
  | { readonly kind: 'explain'; readonly inner: Statement }
  | { readonly kind: 'audit'; readonly view: Name | undefined }
  | { readonly kind: 'begin'; readonly readOnly: boolean }
  | { readonly kind: 'commit' }
  | { readonly kind: 'rollback' }
  | { readonly kind: 'savepoint' | 'releaseSavepoint' | 'rollbackTo'; readonly name: string }
  | { readonly kind: 'declareCursor'; readonly name: string; readonly hold: boolean; readonly text: string }
  /** `count`: rows forwards, Infinity for ALL. `move`: without showing them. */
  | { readonly kind: 'fetch'; readonly name: string; readonly count: number; readonly move: boolean }
  | { readonly kind: 'closeCursor'; readonly name: string | undefined }
  | { readonly kind: 'set'; readonly name: string; readonly value: string | undefined; readonly local: boolean }
  | { readonly kind: 'reset'; readonly name: string | undefined }
  | { readonly kind: 'discard' }
  | { readonly kind: 'prepare'; readonly name: string; readonly text: string }
  | { readonly kind: 'execute'; readonly name: string; readonly arguments: readonly string[] }
  | { readonly kind: 'deallocate'; readonly name: string | undefined }
  | { readonly kind: 'ignored'; readonly tag: string };

export type StatementOf<K extends Statement['kind']> = Extract<Statement, { kind: K }>;

export interface CreateView {
  readonly kind: 'createView';
  readonly materialized: boolean;
  readonly name: Name;
  readonly ifNotExists: boolean;
  readonly orReplace: boolean;
  readonly columnNames: readonly string[] | undefined;
  /** The SELECT, verbatim, and where it begins in the statement. */
  readonly query: string;
  readonly queryOffset: number;
}

export type OptionValue = string | { readonly secret: string };

export type SourceTables =
  | { readonly which: 'none' }
  | { readonly which: 'all' }
  | { readonly which: 'schemas'; readonly schemas: readonly string[] }
  | { readonly which: 'tables'; readonly tables: readonly { readonly upstream: Name; readonly alias: Name | undefined }[] };

export type DropKind = 'secret' | 'connection' | 'source' | 'table' | 'view' | 'materializedView' | 'index';
export type ShowKind =
  | 'secrets'
  | 'connections'
  | 'sources'
  | 'tables'
  | 'views'
  | 'materializedViews'
  | 'indexes'
  | 'objects'
  | 'schemas'
  | 'databases'
  | 'columns'
  | 'all';

export type SubscribeTarget = { readonly object: Name } | { readonly query: string; readonly offset: number };
