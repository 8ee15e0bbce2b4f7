import java.sql.*;
import java.util.*;

/** pgjdbc: DatabaseMetaData, statements past the threshold of server-prepare (then binary), fetch size. The upstream, asked the same way, is the oracle. */
public final class Pgjdbc {
  interface Check {
    void run(Connection here) throws Exception;
  }

  static final String MILLRACE = "jdbc:postgresql://127.0.0.1:" + System.getenv("MILLRACE_PORT") + "/millrace?user=millrace&loginTimeout=10";
  static final String UPSTREAM = System.getenv("UPSTREAM_JDBC_URL");

  public static void main(String[] args) throws Exception {
    TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
    for (String mode : List.of("extended", "simple", "extendedForPrepared"))
      check("a query, preferQueryMode=" + mode, "&preferQueryMode=" + mode, here -> equal(rows(here, "SELECT n, half, word FROM numbers WHERE n = ?", 7), "[[7, 3.5000000000000000, word 7]]"));
    check("getTables", "", here -> {
      equal(names(here.getMetaData().getTables(null, "public", "%", new String[] {"TABLE"}), "TABLE_NAME"), "[changing, kinds, numbers]");
      equal(names(here.getMetaData().getTables(null, "public", "%", new String[] {"VIEW"}), "TABLE_NAME"), "[even]");
      equal(names(here.getMetaData().getTables(null, "public", "%", new String[] {"MATERIALIZED VIEW"}), "TABLE_NAME"), "[sums]");
      equal(names(here.getMetaData().getTables(null, "public", "kinds", null), "REMARKS"), "[one column a type]");
    });
    check("getColumns, as of the upstream", "", here -> {
      try (Connection there = DriverManager.getConnection(UPSTREAM)) {
        for (String what : List.of("COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "NULLABLE", "REMARKS", "ORDINAL_POSITION"))
          equal(names(here.getMetaData().getColumns(null, "public", "kinds", "%"), what), names(there.getMetaData().getColumns(null, "public", "kinds", "%"), what));
      }
    });
    check("getColumns of a materialized view", "", here -> equal(names(here.getMetaData().getColumns(null, null, "sums", null), "TYPE_NAME"), "[int4, int8, numeric, numeric]"));
    check("getPrimaryKeys", "", here -> equal(names(here.getMetaData().getPrimaryKeys(null, "public", "numbers"), "COLUMN_NAME"), "[n]"));
    check("getIndexInfo", "", here -> equal(names(here.getMetaData().getIndexInfo(null, "public", "sums", false, false), "INDEX_NAME"), "[sums_digit]"));
    check("getSchemas, getCatalogs, getTypeInfo, getTableTypes, getFunctions, getProcedures, getImportedKeys, getBestRowIdentifier, getTablePrivileges", "", here -> {
      DatabaseMetaData data = here.getMetaData();
      if (!names(data.getSchemas(), "TABLE_SCHEM").contains("public")) throw new AssertionError("no schema public");
      equal(names(data.getCatalogs(), "TABLE_CAT"), "[millrace]");
      if (!names(data.getTypeInfo(), "TYPE_NAME").contains("numeric")) throw new AssertionError("no numeric");
      data.getTableTypes().close();
      data.getFunctions(null, "public", "%").close();
      data.getProcedures(null, "public", "%").close();
      data.getImportedKeys(null, "public", "numbers").close();
      equal(names(data.getBestRowIdentifier(null, "public", "numbers", DatabaseMetaData.bestRowSession, false), "COLUMN_NAME"), "[n]");
      data.getTablePrivileges(null, "public", "numbers").close();
      equal(data.getDatabaseProductName(), "PostgreSQL");
    });
    check("ResultSetMetaData", "", here -> {
      try (PreparedStatement statement = here.prepareStatement("SELECT n, half, word FROM numbers WHERE n = ?")) {
        ResultSetMetaData data = statement.getMetaData();
        equal(data.getColumnTypeName(2), "numeric");
        equal(statement.getParameterMetaData().getParameterTypeName(1), "int4");
        data.getTableName(1);
        data.isNullable(1);
      }
    });
    List<String> columns = new ArrayList<>();
    try (Connection there = DriverManager.getConnection(UPSTREAM); ResultSet found = there.getMetaData().getColumns(null, "public", "kinds", "%")) {
      while (found.next()) columns.add(found.getString("COLUMN_NAME"));
    }
    // Past five runs the driver prepares on the server and asks for binary.
    for (String column : columns)
      check(column + ", nine times, as the upstream sends it", "", here -> {
        try (Connection there = DriverManager.getConnection(UPSTREAM)) {
          String sql = "SELECT id, " + column + " FROM kinds WHERE id > ? ORDER BY id";
          equal(nineTimes(here, sql), nineTimes(there, sql));
        }
      });
    check("binary from the first run (prepareThreshold=-1)", "&prepareThreshold=-1", here ->
        equal(rows(here, "SELECT n, half, word FROM numbers WHERE n = ?", 7), "[[7, 3.5000000000000000, word 7]]"));
    check("a parameter of each class, nine times", "", here -> {
      Object[][] pairs = {
        {"an_int4", 123456}, {"an_int8", 9007199254740993L}, {"a_numeric", new java.math.BigDecimal("12345.6789")}, {"a_bool", true}, {"a_float8", -2.25e100},
        {"a_text", "héllo ✓"}, {"a_uuid", UUID.fromString("6ba7b810-9dad-11d1-80b4-00c04fd430c8")}, {"a_date", java.time.LocalDate.of(2024, 2, 29)},
        {"a_timestamp", java.time.LocalDateTime.of(2024, 2, 29, 13, 14, 15, 500_000_000)},
        {"a_timestamptz", java.time.OffsetDateTime.of(2024, 2, 29, 11, 14, 15, 500_000_000, java.time.ZoneOffset.UTC)}, {"a_bytea", new byte[] {0, -1, 16}},
        {"a_time", java.time.LocalTime.of(13, 14, 15, 123_456_000)}, {"a_float4", 1.5f}, {"an_int2", (short) -7}
      };
      for (Object[] pair : pairs)
        try (PreparedStatement statement = here.prepareStatement("SELECT id FROM kinds WHERE " + pair[0] + " = ?")) {
          for (int i = 0; i < 9; i++) {
            statement.setObject(1, pair[1]);
            equal(pair[0] + " " + rowsOf(statement.executeQuery()), pair[0] + " [[1]]");
          }
        }
      try (PreparedStatement statement = here.prepareStatement("SELECT n FROM numbers WHERE n = ANY(?) ORDER BY n")) {
        for (int i = 0; i < 9; i++) {
          statement.setArray(1, here.createArrayOf("int4", new Integer[] {3, 1}));
          equal(rowsOf(statement.executeQuery()), "[[1], [3]]");
        }
      }
    });
    check("fetch size: portions of a portal, in a transaction", "", here -> {
      here.setAutoCommit(false);
      try (PreparedStatement statement = here.prepareStatement("SELECT n FROM numbers ORDER BY n")) {
        statement.setFetchSize(100);
        try (ResultSet found = statement.executeQuery()) {
          int count = 0;
          while (found.next()) if (found.getInt(1) != ++count) throw new AssertionError("row " + count);
          equal(count, 2500);
        }
      }
      here.commit();
    });
    check("a transaction: error, roll back, go on", "", here -> {
      here.setAutoCommit(false);
      failing(here, "SELECT 1 / (n - 1) FROM numbers", "22012");
      failing(here, "SELECT 1", "25P02");
      here.rollback();
      equal(rows(here, "SELECT n FROM numbers WHERE n = ?", 1), "[[1]]");
      here.commit();
    });
    check("a savepoint", "", here -> {
      here.setAutoCommit(false);
      Savepoint point = here.setSavepoint();
      failing(here, "SELECT 1 / (n - 1) FROM numbers", "22012");
      here.rollback(point);
      equal(rows(here, "SELECT n FROM numbers WHERE n = ?", 1), "[[1]]");
      here.commit();
    });
    check("read-only, isolation, isValid, setSchema, application name, network timeout", "", here -> {
      here.setReadOnly(true);
      here.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      if (!here.isValid(5)) throw new AssertionError("not valid");
      here.setSchema("public");
      here.setClientInfo("ApplicationName", "checks");
      here.getTransactionIsolation();
      equal(here.getSchema(), "public");
      here.setReadOnly(false);
    });
    check("a query timeout", "", here -> {
      try (Statement statement = here.createStatement()) {
        statement.setQueryTimeout(1);
        statement.executeQuery("SELECT count(*) FROM numbers a, numbers b WHERE md5(a.word || b.word) <> a.word");
        throw new AssertionError("no error");
      } catch (SQLException error) {
        equal(error.getSQLState(), "57014");
      }
    });
    check("CopyManager", "", here -> {
      var out = new java.io.StringWriter();
      here.unwrap(org.postgresql.PGConnection.class).getCopyAPI().copyOut("COPY (SELECT n, word FROM numbers WHERE n < 3 ORDER BY n) TO STDOUT", out);
      equal(out.toString(), "1\tword 1\n2\tword 2\n");
    });
    check("errors have their SQLSTATE", "", here -> {
      failing(here, "SELECT * FROM nowhere", "42P01");
      failing(here, "SELEC 1", "42601");
      failing(here, "UPDATE numbers SET n = 1", "25006");
    });
    check("two statements in one text", "", here -> {
      try (Statement statement = here.createStatement()) {
        statement.execute("SELECT 1; SELECT 2");
        statement.getMoreResults();
        equal(rowsOf(statement.getResultSet()), "[[2]]");
      }
    });
  }

  static void check(String name, String options, Check check) {
    String error = null;
    try (Connection here = DriverManager.getConnection(MILLRACE + options)) {
      check.run(here);
    } catch (Throwable thrown) {
      error = thrown.toString();
      for (StackTraceElement at : thrown.getStackTrace()) if (at.getClassName().startsWith("Pgjdbc")) error += "\n  at line " + at.getLineNumber();
    }
    System.out.println("{\"name\": " + quoted(name) + ", \"error\": " + (error == null ? "null" : quoted(error)) + "}");
  }

  static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray())
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < 32) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    return out.append('"').toString();
  }

  static void equal(Object seen, Object wanted) {
    if (!Objects.equals(seen, wanted)) throw new AssertionError("\n  seen   " + seen + "\n  wanted " + wanted);
  }

  static void failing(Connection connection, String sql, String sqlstate) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.execute();
    } catch (SQLException error) {
      equal(error.getSQLState(), sqlstate);
      return;
    }
    throw new AssertionError("no error: " + sql);
  }

  static String names(ResultSet found, String column) throws SQLException {
    List<String> names = new ArrayList<>();
    try (found) {
      while (found.next()) names.add(found.getString(column));
    }
    return names.toString();
  }

  static String rows(Connection connection, String sql, Object... values) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
      return rowsOf(statement.executeQuery());
    }
  }

  static String nineTimes(Connection connection, String sql) throws SQLException {
    Set<String> answers = new LinkedHashSet<>();
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < 9; i++) {
        statement.setInt(1, 0);
        answers.add(rowsOf(statement.executeQuery()));
      }
    }
    return answers.toString();
  }

  static String rowsOf(ResultSet found) throws SQLException {
    List<List<String>> rows = new ArrayList<>();
    try (found) {
      int columns = found.getMetaData().getColumnCount();
      while (found.next()) {
        List<String> row = new ArrayList<>();
        for (int i = 1; i <= columns; i++) row.add(found.getObject(i) instanceof byte[] bytes ? Arrays.toString(bytes) : found.getString(i));
        rows.add(row);
      }
    }
    return rows.toString();
  }
}
