/* Nexmark on Apache Flink, in one JVM: each query once over a few events, which compiles what is hot, then over the real
 * ones. Prints a line of JSON for each: the time of the job as Flink's job manager counts it, or why there is none.
 *
 *   java -cp ... Nexmark TABLES.sql QUERIES.sql WARM EVENTS OUT_FOLDER PARALLELISM [q0 q1 ...]
 *
 * WARM and EVENTS are folders, as URIs, or kafka:BROKER/TOPIC, which is read up to what is there when the job starts.
 */
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZoneOffset;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.TableDescriptor;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.functions.ScalarFunction;

public class Nexmark {
    /** The static rows of q13, as a function: the fastest look-up there can be. */
    public static class SideValue extends ScalarFunction {
        private static final String[] VALUES = new String[10000];
        static {
            for (int i = 0; i < VALUES.length; i++)
                VALUES[i] = "side " + i;
        }
        public String eval(Long key) {
            return key == null ? null : VALUES[key.intValue()];
        }
    }

    public static class CountChar extends ScalarFunction {
        public Long eval(String text, String wanted) {
            if (text == null || wanted == null)
                return null;
            long count = 0;
            for (int i = 0; i < text.length(); i++)
                count += text.charAt(i) == wanted.charAt(0) ? 1 : 0;
            return count;
        }
    }

    private static StreamTableEnvironment environment(int parallelism) {
        Configuration c = new Configuration();
        c.setString("pipeline.object-reuse", "true");
        c.setString("table.exec.mini-batch.enabled", "true");
        c.setString("table.exec.mini-batch.allow-latency", "2 s");
        c.setString("table.exec.mini-batch.size", "50000");
        c.setString("table.optimizer.distinct-agg.split.enabled", "true");
        c.setString("state.backend.type", "hashmap");
        c.setString("taskmanager.memory.network.min", "128mb");
        c.setString("taskmanager.memory.network.max", "128mb");
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(parallelism, c);
        StreamTableEnvironment tables = StreamTableEnvironment.create(env);
        tables.getConfig().setLocalTimeZone(ZoneOffset.UTC);
        tables.createTemporarySystemFunction("side_value", SideValue.class);
        tables.createTemporarySystemFunction("count_char", CountChar.class);
        return tables;
    }

    /** The options of the table that reads them. */
    private static String connection(String events) {
        if (!events.startsWith("kafka:"))
            return "'connector' = 'filesystem', 'path' = '" + events + "'";
        String[] place = events.substring("kafka:".length()).split("/");
        return "'connector' = 'kafka', 'properties.bootstrap.servers' = '" + place[0] + "', 'topic' = '" + place[1]
            + "', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'";
    }

    private static TableDescriptor sink(String name, Path out) {
        if (!name.equals("q10"))
            return TableDescriptor.forConnector("blackhole").build();
        return TableDescriptor.forConnector("filesystem").option("path", out.toUri().toString()).format("csv")
            .partitionedBy("dt", "hm").build();
    }

    /** Milliseconds. */
    private static long run(String name, String query, String tablesText, String events, Path out, int parallelism)
        throws Exception {
        StreamTableEnvironment tables = environment(parallelism);
        for (String statement : tablesText.replace("${EVENTS}", connection(events)).split(";"))
            if (!statement.isBlank())
                tables.executeSql(statement);
        Table table = tables.sqlQuery(query);
        TableResult result = table.executeInsert(sink(name, out));
        return result.getJobClient().get().getJobExecutionResult().get().getNetRuntime();
    }

    private static Map<String, String> queries(String text) {
        Map<String, String> found = new LinkedHashMap<>();
        for (String part : text.split("\n-- (?=q[0-9]+\n)")) {
            int end = part.indexOf('\n');
            if (part.startsWith("q"))
                found.put(part.substring(0, end), part.substring(end).strip().replaceAll(";$", ""));
        }
        return found;
    }

    /** Of all the causes the last: Flink's own words. */
    private static String reason(Throwable e) {
        while (e.getCause() != null)
            e = e.getCause();
        return String.valueOf(e.getMessage()).lines().findFirst().orElse("").replace("\\", "\\\\").replace("\"", "'");
    }

    public static void main(String[] a) throws Exception {
        String tables = Files.readString(Path.of(a[0]));
        Set<String> wanted = new HashSet<>(List.of(a).subList(6, a.length));
        for (Map.Entry<String, String> q : queries(Files.readString(Path.of(a[1]))).entrySet()) {
            if (!wanted.isEmpty() && !wanted.contains(q.getKey()))
                continue;
            String said;
            try {
                int parallelism = Integer.parseInt(a[5]);
                run(q.getKey(), q.getValue(), tables, a[2], Path.of(a[4], "warm"), parallelism);
                said = "\"ms\": " + run(q.getKey(), q.getValue(), tables, a[3], Path.of(a[4], "out"), parallelism);
            } catch (Exception e) {
                said = "\"error\": \"" + reason(e) + "\"";
            }
            System.out.println("{\"query\": \"" + q.getKey() + "\", " + said + "}");
        }
        System.exit(0);
    }
}
