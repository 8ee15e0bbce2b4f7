/** Every limit that spans rooms, with its unit in its name and the reason beside it (I-6). A limit of one file lives in that file. */
export const limits = {
  /** A log segment: small enough to delete soon after it is folded. */
  logSegmentBytesMax: 32 << 20,
  /** One log record: what one read of the socket brings, at most. */
  logRecordBytesMax: 4 << 20,
  /** A step takes ready transactions up to this many bytes or this long, then publishes a tick: latency under load. */
  tickBytesMax: 1 << 20,
  tickMsMax: 20,
  /** A client's statement, unless it sets statement_timeout. */
  statementTimeoutMsDefault: 30_000,
  /** Rows that one ad hoc query may hold in memory at once. */
  queryMemoryBytesMax: 512 << 20,
  /** Rows that changed while one reader read a view, kept for it as they were. */
  readKeptBytesMax: 64 << 20,
  /** What a subscriber may be behind before it is told so and dropped. */
  subscriberBacklogBytesMax: 64 << 20,
  /** All subscribers together; beyond, the one that holds most is dropped. */
  subscribersMemoryBytesMax: 1 << 30,
  /** What string_agg, array_agg and JSON aggregates make of one group: it is made anew at each change of the group. */
  aggregatedValueBytesMax: 64 << 20,
  /** A batch of fallback calls in the evaluator. */
  evaluatorBatchMsMax: 1_000,
  /** One protocol message from a client: the parameters of a Bind, in practice. */
  clientMessageBytesMax: 64 << 20,
  /** How long a stop waits for each thread in turn (engine, ingest, clients) before it ends it: all of them within ten seconds. */
  closeMsMax: 2_500,
  /** The text of a statement, or of several in one message: everybody's thread reads it, and Postgres builds a tree of it that is a hundred times as large. */
  statementBytesMax: 1 << 20,
  /** Postgres takes 50 µs a token of a long list to analyse, and everybody who plans waits for it: half a second at most. */
  statementTokensMax: 12_000,
  /** A query tree as Postgres prints it, a constant is 140 characters: what is planned with the rows here, on everybody's thread, and compiled. */
  queryTreeCharactersMax: 2 << 20,
  queryTreeLevelsMax: 500,
  /** Settings, prepared statements, portals, cursors, unread results and messages of one session, and of all together. */
  sessionMemoryBytesMax: 128 << 20,
  clientsMemoryBytesMax: 512 << 20,
  /** AUDITs at once: each takes two of the upstream's connections and a slot. */
  auditsMax: 1,
  /** Settings of a session's own (`my.name`). */
  customSettingsMax: 1_000,
  /** Prepared statements of a session, by Parse and by PREPARE each. */
  preparedStatementsMax: 5_000,
  /** A statement on the system catalog, whatever statement_timeout says: Postgres in there cannot be interrupted, its worker is ended. */
  catalogStatementMsMax: 60_000,
  /** Analysing one statement, or one change of the mirror. */
  planningMsMax: 30_000,
  /** What was found out about statements (trees, relations, plans), kept for whoever sends them again: an application's own are some hundred, of 50 KB each. */
  planCacheEntriesMax: 2_000,
  planCacheBytesMax: 64 << 20,
  /** Clients at once. */
  connectionsMax: 200,
} as const;
