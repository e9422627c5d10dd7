-- Copyright The Blackout Authors
-- SPDX-License-Identifier: Apache-2.0

-- Of events (e), i is the order in time; of requests (r), k that within a stream, by when they were due.
CREATE TABLE e AS SELECT row_number() OVER (ORDER BY j->>'t', n) i, j->>'t' t, coalesce(j->>'until', 0) until, j->>'kind' kind, coalesce(j->>'node', '') node,
  coalesce(j->>'edge', '') edge, coalesce(j->>'text', '') text, coalesce(j->>'code', 0) code, coalesce(j->>'generation', 0) gen, coalesce(j->>'ok', 0) ok,
  coalesce('#' || (j->>'fault'), coalesce(j->>'edge', '') || coalesce(j->>'node', '')) fault, j FROM line WHERE n > 1 AND j->>'kind' <> 'recording.end';
CREATE TABLE s AS SELECT key stream, value->>'name' name, value->>'node' node, value->>'interval' every FROM line, json_each(j, '$.streams') WHERE n = 1 AND type = 'object';
CREATE TABLE n AS SELECT key i, value->>'name' node, value->>'role' role FROM line, json_each(j, '$.nodes') WHERE n = 1 AND type = 'object';
CREATE TABLE fin AS SELECT max(coalesce((SELECT max(max(t, until)) FROM e), 0), coalesce((SELECT max(done) FROM q), 0)) fin;
CREATE TABLE r AS SELECT q.*, row_number() OVER (PARTITION BY stream ORDER BY due, q.rowid) k, node, min(max(CAST(CAST(due AS REAL) / fin * 180 AS INT), 0), 179) slot FROM q JOIN s USING (stream), fin;
CREATE INDEX rk ON r (stream, k);
CREATE INDEX rslot ON r (slot);
CREATE INDEX ek ON e (kind, node);
CREATE TABLE class AS SELECT column1 class, column2 name FROM (VALUES (1, 'wrong status'), (2, 'wrong body'), (3, 'refused'), (4, 'reset'), (5, 'eof'), (6, 'timeout'), (7, 'other error'));
-- Good answers, each with its rank among those of its node and of its slot.
CREATE TABLE good AS SELECT node, slot, done - due latency, done - sent service, row_number() OVER (PARTITION BY node ORDER BY done - due) l, row_number() OVER (PARTITION BY node ORDER BY done - sent) s,
  row_number() OVER (PARTITION BY slot ORDER BY done - due) p, count(*) OVER (PARTITION BY node) c, count(*) OVER (PARTITION BY slot) d FROM r WHERE class = 0;
CREATE INDEX gslot ON good (slot, p);
-- Faults: up to its healing a fault has the events of its number or, without one, its target.
CREATE TABLE f AS WITH a AS (SELECT *, coalesce((SELECT min(i) FROM e x WHERE kind = 'fault.heal' AND x.fault = e.fault AND x.i > e.i), 1e18) stop FROM e WHERE kind = 'fault.inject'),
  b AS (SELECT *, coalesce((SELECT min(i) FROM e x WHERE kind = 'fault.inject' AND x.fault = a.fault AND x.i > stop), 1e18) again,
    (SELECT i FROM e x WHERE kind = 'fault.witness' AND x.fault = a.fault AND x.i > a.i AND x.i < stop ORDER BY ok, iif(ok, i, -i) LIMIT 1) saw,
    (SELECT min(t) FROM e x WHERE kind = 'fault.active' AND x.fault = a.fault AND x.i > a.i AND x.i < stop AND x.text = a.text) active, (SELECT t FROM e WHERE i = stop) heal FROM a)
  SELECT row_number() OVER (ORDER BY i) - 1 k, edge, node, text mode, t begun, active, heal, coalesce((SELECT ok FROM e WHERE i = saw), 0) seen, coalesce((SELECT text FROM e WHERE i = saw), '') witness,
    coalesce((SELECT max(t) FROM e x WHERE kind = 'fault.healed' AND x.fault = b.fault AND x.i > stop AND x.i < again), fin) healed,
    (SELECT i FROM e x WHERE kind = 'fault.healed.witness' AND x.fault = b.fault AND x.i > stop AND x.i < again ORDER BY i DESC LIMIT 1) well FROM b, fin;
UPDATE f SET seen = 0, witness = said FROM (SELECT key, value->>'witness' said FROM report, json_each(j, '$.faults')) WHERE key = k AND substr(said, 1, length(witness) + 6) = witness || '; but ';
-- Outages: failures of a stream, in the order of sending (k), with fewer than three good answers between two are one. What became of a request was decided between sent and dec.
CREATE TABLE x AS WITH a AS (SELECT *, coalesce(max(done - sent) FILTER (WHERE class = 0) OVER (PARTITION BY stream), 0) slow FROM r)
  SELECT stream, class, sent, done, iif(class = 6, min(done, sent + slow), done) dec, row_number() OVER (PARTITION BY stream ORDER BY sent, k) k, count(*) OVER (PARTITION BY stream) total FROM a;
CREATE INDEX xk ON x (stream, k);
CREATE TABLE o AS WITH a AS (SELECT *, lag(k, 1, -9) OVER (PARTITION BY stream ORDER BY k) prev FROM x WHERE class > 0),
  b AS (SELECT *, sum(k - prev > 3) OVER (PARTITION BY stream ORDER BY k) nth FROM a),
  c AS (SELECT stream, min(k) first, max(k) last, count(*) failed, sum(k - prev > 1) runs, min(dec) s2, max(dec) over, min(sent) begin, max(sent) e1, min(k) = 1 open_start, max(k) = total open_end FROM b GROUP BY stream, nth),
  d AS (SELECT c.*, coalesce((SELECT sent FROM x WHERE x.stream = c.stream AND k < first AND class = 0 AND dec <= begin ORDER BY k DESC LIMIT 1), (SELECT min(sent) FROM x WHERE x.stream = c.stream)) s1,
    coalesce((SELECT done FROM x WHERE x.stream = c.stream AND k > last AND class = 0 AND sent >= over ORDER BY k LIMIT 1), fin) e2 FROM c, fin)
  SELECT d.*, row_number() OVER (ORDER BY s1, stream, first) - 1 k, name, node FROM d JOIN s USING (stream);
-- Spans of nodes' states last to the next, or to the end of the watch.
CREATE TABLE shown AS SELECT node, role, row_number() OVER (ORDER BY i) - 1 k FROM n WHERE node IN (SELECT node FROM e WHERE kind IN ('node.ready', 'node.serves', 'node.start', 'node.exit'));
CREATE TABLE span AS WITH a AS (SELECT e.*, name, lead(t, 1, fin) OVER (PARTITION BY node, name ORDER BY i) till
    FROM e JOIN (VALUES ('node.ready', 'ready'), ('node.serves', 'serves')) ON kind IN (column1, 'watch.end') JOIN (SELECT 'ready' name UNION SELECT 'serves') ON name = column2, fin)
  SELECT *, row_number() OVER (PARTITION BY node, name ORDER BY i) - 1 nth FROM a WHERE kind <> 'watch.end';
-- Starts of data planes, and what befell each until the node's next start or end.
CREATE TABLE b AS WITH a AS (SELECT e.*, (SELECT min(x.i) FROM e x WHERE x.node = e.node AND kind IN ('node.start', 'node.exit') AND x.i > e.i) stop FROM e JOIN n USING (node) WHERE kind = 'node.start' AND role = 'data_plane')
  SELECT a.*, row_number() OVER (ORDER BY i) - 1 k, coalesce((SELECT t FROM e WHERE i = stop), fin) over FROM a, fin;
CREATE TABLE life AS SELECT b.i start, b.t began, e.* FROM b JOIN e ON e.node = b.node AND e.i > b.i AND e.i < coalesce(b.stop, 1e18);
CREATE TABLE served AS SELECT start, max(t, until) at, gen, -1 stream FROM (SELECT *, row_number() OVER (PARTITION BY start ORDER BY i) nth FROM life WHERE kind = 'node.serves' AND code = 200 AND gen > 0) WHERE nth = 1
  UNION ALL SELECT start, done, gen, stream FROM (SELECT b.i start, r.*, row_number() OVER (PARTITION BY b.i, stream ORDER BY r.k) nth FROM b JOIN r ON r.node = b.node AND class = 0 AND sent >= b.t AND done <= over) WHERE nth = 1;
-- Connection attempts of an edge's own node.
CREATE TABLE own AS SELECT edge, t, t - lag(t) OVER (PARTITION BY edge ORDER BY i) gap FROM e WHERE kind = 'edge.connect' AND (node = '' OR substr(edge, 1, length(node) + 1) = node || '>');
CREATE TABLE meter AS SELECT edge, coalesce(j->>'offered', 0) offered, coalesce(j->>'passed', 0) passed, row_number() OVER (PARTITION BY edge ORDER BY i DESC) nth FROM e WHERE kind = 'edge.bytes' AND edge <> '';
-- What the SLO file asks for.
CREATE TABLE goal AS WITH d AS (SELECT rowid nth, j, j->'$.metadata.annotations' a, coalesce(j->'$.spec.indicator.spec', (SELECT j->'$.spec' FROM slo x WHERE x.j->>'kind' = 'SLI' AND x.j->>'$.metadata.name' = slo.j->>'$.spec.indicatorRef')) spec
    FROM slo WHERE j->>'kind' = 'SLO'),
  c AS (SELECT row_number() OVER (ORDER BY nth, key) - 1 k, a, value v, coalesce(spec->'$.ratioMetric.raw.metricSource.spec', spec->'$.thresholdMetric.metricSource.spec') source FROM d, json_each(d.j, '$.spec.objectives'))
  SELECT k, source->>'sli' sli, coalesce(a->>'blackout/phase', 'outage') phase, duration(coalesce(source->>'deadline', '1s')) deadline, coalesce(CAST(a->>'blackout/confidence' AS REAL), 0.95) confidence, nullif(coalesce(v->>'target', (v->>'targetPercent') / 100.0), 0) target,
    CAST(coalesce(a->>'blackout/min-samples', 0) AS INT) min_samples, v->>'value' lim, coalesce(a->>'blackout/invariant', '') = 'true' invariant FROM c;
-- Windows in which a fault kept its control plane (cp) from giving a data plane a configuration, and the episodes (ep) that they come to.
CREATE TABLE p AS SELECT name node, cp FROM (SELECT value->>'name' name, value->>'role' role, iif(value->>'role' = 'control_plane', value->>'name', coalesce(value->>'control_plane', (SELECT node FROM n WHERE role = 'control_plane' ORDER BY i LIMIT 1))) cp
  FROM line, json_each(j, '$.nodes') WHERE n = 1 AND type = 'object');
CREATE TABLE w AS SELECT p.node, begun lo, min(coalesce(heal, last), last) hi FROM p JOIN n USING (node) JOIN f ON CASE WHEN mode IN ('certificate-wrong', 'certificate-expired') THEN f.node = p.node
    WHEN mode = 'dns-failure' THEN substr(f.edge, 1, length(p.node) + 1) = p.node || '>' WHEN mode = 'certificate-rotated' THEN p.cp = (SELECT cp FROM p x WHERE x.node = f.node) ELSE f.edge = p.node || '>' || p.cp OR f.node = p.cp END
  AND mode IN ('exit', 'blackhole', 'reset', 'drop', 'asymmetric', 'dns-failure', 'kill', 'terminate', 'pause', 'certificate-wrong', 'certificate-expired', 'certificate-rotated', 'cp-busy', 'cp-silent-after-tls',
    'cp-silent-after-upgrade', 'cp-no-database', 'cp-oversized-payload', 'cp-invalid-configuration'), (SELECT max(t) last FROM e) WHERE role = 'data_plane';
CREATE TABLE ep AS WITH a AS (SELECT *, max(hi) OVER (ORDER BY lo ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) before FROM w), b AS (SELECT *, sum(lo > coalesce(before, -1)) OVER (ORDER BY lo) nth FROM a) SELECT nth, min(lo) lo, max(hi) hi FROM b GROUP BY nth;
-- Times in which the harness kept a data plane from answering: it had ended or frozen it, and the node has not served again since, nor had the time.
CREATE TABLE away AS WITH a AS (SELECT n.node, begun lo, iif(heal IS NULL, NULL, healed) till FROM n JOIN f USING (node) WHERE mode IN ('kill', 'terminate', 'pause', 'restart', 'crash-loop')
    UNION ALL SELECT node, t, (SELECT min(t) FROM e x WHERE x.kind = 'node.start' AND x.node = e.node AND x.t >= e.t) FROM e WHERE kind = 'node.stop'),
  b AS (SELECT a.*, (SELECT max(t, until) FROM e WHERE kind = 'node.serves' AND e.node = a.node AND code = 200 AND gen > 0 AND t >= till ORDER BY i LIMIT 1) back FROM a)
  SELECT b.node, lo, min(coalesce(min(coalesce(back, 9e18), till + (j->>'$.profile.dial_timeout') + (j->>'$.profile.no_configuration_wait') + 5000000000), 9e18), last) hi FROM b, line, (SELECT max(t) last FROM e) WHERE line.n = 1;
CREATE TABLE due AS WITH a AS (SELECT r.*, (SELECT nth FROM w JOIN ep ON w.lo BETWEEN ep.lo AND ep.hi WHERE w.node = r.node AND due >= w.lo AND due < w.hi ORDER BY w.lo LIMIT 1) nth FROM r WHERE NOT EXISTS (SELECT 1 FROM away WHERE away.node = r.node AND lo <= done AND due <= hi))
  SELECT a.*, CASE WHEN nth IS NOT NULL THEN 'outage' WHEN due >= (SELECT hi FROM ep WHERE nth = 1) THEN 'recovery' END ph, coalesce(due < (SELECT min(lo) FROM ep), 1) steady FROM a;
CREATE TABLE asked AS SELECT goal.k, due.*, class > 0 OR done - due > deadline OR sli = 'proxy-availability' AND flags & 1 bad FROM goal JOIN due ON phase = 'run' OR phase = ph OR phase = 'steady' AND steady WHERE sli IN ('proxy-availability', 'client-availability');
CREATE TABLE availability AS SELECT k, count(*) samples, sum(bad) bad, count(DISTINCT nth) outages, count(DISTINCT nth) - count(DISTINCT iif(bad, nth, NULL)) clean FROM asked GROUP BY k;

--= recorded /
SELECT 'schema' at, 1 ".";
--= recorded /profile
SELECT key at, value "." FROM line, json_each(j, '$.profile') WHERE n = 1;
--= recorded /duration_ns
SELECT '' at, fin "." FROM fin;
--= recorded /phases
SELECT text name, t from_ns, lead(t, 1, fin) OVER (ORDER BY i) to_ns FROM e, fin WHERE kind = 'phase' ORDER BY i;
--= recorded /steps
SELECT j->>'step' step, text, j->>'planned' planned_ns, t began_ns, t - (j->>'planned') late_ns FROM e WHERE kind = 'step.begin' AND j->>'planned' > 0 ORDER BY i;
--= recorded /latest_step
SELECT '' at, j->>'step' step, text, j->>'planned' planned_ns, t began_ns, t - (j->>'planned') late_ns FROM e WHERE kind = 'step.begin' AND j->>'planned' > 0 ORDER BY late_ns DESC, i LIMIT 1;
--= recorded /faults
SELECT edge, mode, begun "start/from_ns", coalesce(active, fin) "start/to_ns", active IS NOT NULL active, heal "end/from_ns", iif(heal IS NULL, NULL, healed) "end/to_ns", seen witnessed, witness,
  (SELECT ok FROM e WHERE i = well) heal_witnessed, coalesce((SELECT text FROM e WHERE i = well), '') heal_witness FROM f, fin ORDER BY k;
--= recorded /outages
SELECT name stream, node, s1 "start/from_ns", s2 "start/to_ns", e1 "end/from_ns", e2 "end/to_ns", open_start, open_end, max(0, e1 - s2) min_ns, e2 - s1 max_ns, failed, runs FROM o ORDER BY k;
--= recorded /outages
SELECT o.k || '/classes/' || class.name at, count(*) "." FROM o JOIN x ON x.stream = o.stream AND x.k BETWEEN first AND last JOIN class USING (class) GROUP BY o.k, class;
--= recorded /outages
SELECT o.k || iif(seen, '/causes/', '/suspects/') || (row_number() OVER (PARTITION BY o.k, seen ORDER BY f.k) - 1) at, mode || ' on ' || edge || f.node "." FROM o, f, fin WHERE begun <= e2 AND s1 <= iif(heal IS NULL, fin, healed);
--= recorded /traffic
SELECT s.node, streams, resolution_ns, coalesce(requests, 0) requests, coalesce(r.good, 0) good, coalesce(masked, 0) masked, coalesce(new_connections, 0) new_connections, 1.0 * r.good / requests availability,
  iif(requests > 0, 1 - atmost(requests - r.good, requests, 0.95), NULL) availability_lower_95, g.*, iif(requests < 100, NULL, lag_p99_ns) lag_p99_ns
  FROM (SELECT node, min(stream) nth, count(*) streams, min(every) resolution_ns FROM s GROUP BY node) s
  LEFT JOIN (SELECT node, count(*) requests, sum(class = 0) good, sum(flags & 1) masked, sum(flags >> 1 & 1) new_connections FROM r GROUP BY node) r USING (node)
  LEFT JOIN (SELECT node, max(sent - due) lag_p99_ns FROM (SELECT *, row_number() OVER (PARTITION BY node ORDER BY sent - due) nth, count(*) OVER (PARTITION BY node) c FROM r) WHERE nth = (c * 99 + 99) / 100 GROUP BY node) USING (node)
  LEFT JOIN (SELECT node, max(latency) FILTER (WHERE l = (c + 1) / 2) "latency/p50_ns", max(latency) FILTER (WHERE c > 99 AND l = (c * 99 + 99) / 100) "latency/p99_ns", max(latency) "latency/max_ns",
    max(service) FILTER (WHERE s = (c + 1) / 2) "service/p50_ns", max(service) FILTER (WHERE c > 99 AND s = (c * 99 + 99) / 100) "service/p99_ns", max(service) "service/max_ns" FROM good GROUP BY node) g USING (node) ORDER BY nth;
--= recorded /traffic
SELECT (SELECT count(DISTINCT node) FROM s WHERE stream < (SELECT min(stream) FROM s WHERE s.node = r.node)) || '/failures/' || name at, count(*) "." FROM r JOIN class USING (class) GROUP BY node, class;
--= recorded /generations
SELECT node, gen generation, count(*) answers, min(done) first_ns, max(done) last_ns FROM r WHERE class = 0 AND gen > 0 GROUP BY node, gen ORDER BY (SELECT min(stream) FROM s WHERE s.node = r.node), gen;
--= recorded /nodes
SELECT node, role FROM shown ORDER BY k;
--= recorded /nodes
SELECT k || '/' || name || '/' || nth at, t from_ns, till to_ns, code, gen generation FROM span JOIN shown USING (node);
--= recorded /nodes
SELECT k || iif(kind = 'node.start', '/starts_ns/', '/exits_ns/') || (row_number() OVER (PARTITION BY node, kind ORDER BY e.i) - 1) at, t "." FROM e JOIN shown USING (node) WHERE kind IN ('node.start', 'node.exit');
--= recorded /starts
SELECT node, t at_ns, (SELECT min(t - began) FROM life WHERE start = b.i AND kind = 'edge.connect' AND substr(edge, instr(edge, '>') + 1) IN (SELECT node FROM n WHERE role = 'control_plane')) control_plane_dial_ns,
  (SELECT min(t - began) FROM life WHERE start = b.i AND kind = 'store.request' AND substr(text, 1, 4) = 'GET ') store_read_ns,
  (SELECT iif(until > 0, until - began, NULL) FROM life WHERE start = b.i AND kind = 'store.request' AND substr(text, 1, 4) = 'GET ' ORDER BY i LIMIT 1) store_done_ns,
  (SELECT max(t, until) - began FROM life WHERE start = b.i AND kind = 'node.ready' AND code = 200 ORDER BY i LIMIT 1) ready_ns,
  (SELECT at - b.t FROM served WHERE start = b.i ORDER BY at, stream LIMIT 1) first_good_ns, (SELECT nullif(gen, 0) FROM served WHERE start = b.i ORDER BY at, stream LIMIT 1) generation FROM b ORDER BY k;
--= recorded /store_requests
SELECT node author, substr(text, 1, instr(text || ' ', ' ') - 1) method, count(*) requests, sum(code BETWEEN 200 AND 299 OR code = 304) succeeded, sum(code IN (401, 403)) denied,
  sum(code NOT BETWEEN 200 AND 299 AND code NOT IN (304, 401, 403)) failed, sum(coalesce(j->>'bytes', 0)) bytes, min(t) first_ns, max(t) last_ns FROM e WHERE kind = 'store.request' GROUP BY author, method ORDER BY author, method;
--= recorded /connections
WITH a AS (SELECT DISTINCT edge FROM e WHERE edge <> '' AND kind IN ('edge.connect', 'edge.bytes', 'fault.inject')),
  c AS (SELECT edge, iif(edge IN (SELECT edge FROM e WHERE kind IN ('edge.connect', 'edge.bytes')), (SELECT count(*) FROM own WHERE own.edge = a.edge), NULL) attempts, offered, passed FROM a LEFT JOIN meter USING (edge) WHERE coalesce(nth, 1) = 1),
  g AS (SELECT edge, gap, row_number() OVER (PARTITION BY edge ORDER BY gap) nth, count(*) OVER (PARTITION BY edge) n FROM own WHERE gap IS NOT NULL),
  u AS (SELECT f.edge, max(mode IN ('exit', 'drop', 'flapping')) blind, sum((SELECT count(*) FROM own WHERE own.edge = f.edge AND t >= active AND t <= coalesce(heal, fin))) tried FROM f, fin WHERE active IS NOT NULL GROUP BY f.edge)
  SELECT edge, attempts, iif(attempts IS NULL OR blind AND tried = 0, NULL, tried) attempts_under_fault, (SELECT min(gap) FROM g WHERE g.edge = c.edge) min_gap_ns, (SELECT gap FROM g WHERE g.edge = c.edge AND nth = (n + 1) / 2) median_gap_ns,
  offered offered_bytes, iif(EXISTS (SELECT 1 FROM f WHERE f.edge = c.edge AND active IS NOT NULL AND (seen OR passed > 0)
    AND mode IN ('reset', 'truncate', 'blackhole', 'asymmetric', 'latency', 'jitter', 'bandwidth', 'slicing')), passed, NULL) passed_bytes FROM c LEFT JOIN u USING (edge) ORDER BY edge;
--= recorded /incidents
SELECT t at_ns, node FROM e WHERE kind IN ('wait.timeout', 'node.exit', 'harness.error', 'environment.error', 'interrupted', 'change.unknown') OR kind = 'step.end' AND j->>'error' <> '' ORDER BY i;
--= recorded /timeline
WITH RECURSIVE slots AS (SELECT 0 slot UNION ALL SELECT slot + 1 FROM slots WHERE slot < 179) SELECT CAST(CAST(fin AS REAL) * slot / 180 AS INT) from_ns, CAST(CAST(fin AS REAL) * (slot + 1) / 180 AS INT) to_ns,
  (SELECT count(*) FROM r WHERE r.slot = slots.slot) requests, (SELECT latency FROM good WHERE good.slot = slots.slot AND p = (d + 1) / 2) p50_ns, (SELECT latency FROM good WHERE good.slot = slots.slot AND p = (d * 99 + 99) / 100) p99_ns
  FROM slots, fin WHERE EXISTS (SELECT 1 FROM r) ORDER BY slot;
--= recorded /timeline
SELECT slot || '/failures/' || name at, count(*) "." FROM r JOIN class USING (class) GROUP BY slot, class;
--= judged /outcome
SELECT '' at, coalesce(sum(s = 'HELD'), 0) held, coalesce(sum(s = 'VIOLATED'), 0) violated, coalesce(sum(s = 'NOT MEASURED'), 0) not_measured, coalesce(sum(s NOT IN ('HELD', 'VIOLATED', 'NOT MEASURED')), 0) invalid
  FROM (SELECT value->>'status' s FROM report, json_each(j, '$.promises'));
--= judged /outcome
SELECT 'objectives' at, coalesce(sum(s = 'PROVEN'), 0) proven, coalesce(sum(s = 'VIOLATED'), 0) violated, coalesce(sum(s = 'NOT MEASURED'), 0) not_measured, coalesce(sum(s = 'NOT PROVEN'), 0) not_proven,
  coalesce(sum(s NOT IN ('PROVEN', 'VIOLATED', 'NOT MEASURED', 'NOT PROVEN')), 0) invalid FROM (SELECT value->>'status' s FROM report, json_each(j, '$.objectives'));
--= judged /promises
SELECT (SELECT coalesce(sum(c.value->>'opportunities'), 0) FROM json_each(p.value, '$.clauses') c) opportunities FROM report, json_each(j, '$.promises') p ORDER BY key;
--= judged /objectives
WITH a AS (SELECT goal.*, v, v->>'kind' kind, v->>'status' status, v->>'samples' seen, CASE WHEN sli LIKE '%-availability' THEN coalesce(x.samples, 0)
      WHEN sli = 'measurement-validity' THEN (SELECT sum(value->>'ok') * (sum(coalesce(value->>'unmeasured', 0)) = 0) FROM report, json_each(j, '$.validity')) ELSE v->>'samples' END n,
    CASE WHEN sli LIKE '%-availability' THEN coalesce(x.bad, 0) WHEN sli = 'measurement-validity' THEN 0 ELSE v->>'bad' END bad,
    iif(sli IN ('data-plane-rto', 'recovery-point', 'recovery-time'), v->>'$.in_general.outages', coalesce(x.outages, 0)) outages,
    iif(sli IN ('data-plane-rto', 'recovery-point', 'recovery-time'), v->>'$.in_general.clean', coalesce(x.clean, 0)) clean
    FROM goal JOIN (SELECT key k, value v FROM report, json_each(j, '$.objectives')) USING (k) LEFT JOIN availability x ON x.k = goal.k AND (v->>'status' <> 'INVALID' OR v->>'samples' > 0)),
  b AS (SELECT *, max(n - bad, 0) good, kind NOT IN ('gate', 'ratio', '') AND n > 0 shared FROM a)
SELECT k || ' ' || sli at, confidence, min_samples, target, lim "limit", invariant, n samples, bad, outages "in_general/outages", clean "in_general/clean", iif(outages > 0, 1 - atmost(outages - clean, outages, confidence), NULL) "in_general/clean_lower",
  iif(shared, 1.0 * good / n, NULL) estimate, iif(shared, 1 - atmost(n - good, n, confidence), NULL) lower, iif(shared, atmost(good, n, confidence), NULL) upper,
  CASE WHEN status <> 'NOT PROVEN' THEN NULL WHEN kind = 'ratio' AND v->>'lower' IS NULL THEN NULL WHEN kind = 'ratio' OR invariant THEN nullif(max(min_samples - n, 0), 0) ELSE max(min_samples - n, needed(bad, target, confidence) - n) END needed,
  CASE WHEN status = 'INVALID' OR kind = 'ratio' THEN status WHEN n = 0 THEN 'NOT MEASURED' WHEN kind = 'gate' THEN 'PROVEN' WHEN invariant AND bad > iif(kind = 'count', lim, 0) THEN 'VIOLATED'
    WHEN NOT invariant AND 1 - atmost(n - bad, n, confidence) > 1 - target THEN 'VIOLATED' WHEN n >= min_samples AND (invariant OR atmost(bad, n, confidence) <= 1 - target) THEN 'PROVEN' ELSE 'NOT PROVEN' END status FROM b;
--= reported /
SELECT replace(replace(replace(replace(substr(fullkey, 3), '[', '/'), ']', ''), '.', '/'), '"', '') at, atom "." FROM report, json_tree(report.j) WHERE atom IS NOT NULL AND fullkey NOT LIKE '$.objectives%';
--= reported /objectives
SELECT o.key || ' ' || (o.value->>'indicator') || replace(replace(replace(replace(substr(t.fullkey, 2), '[', '/'), ']', ''), '.', '/'), '"', '') at, t.atom "." FROM report, json_each(j, '$.objectives') o, json_tree(o.value) t WHERE t.atom IS NOT NULL;
