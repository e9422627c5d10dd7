-- Copyright The Blackout Authors
-- SPDX-License-Identifier: Apache-2.0

-- Given are the tables line (of events.jsonl), q (of requests.bin) and slo (documents of the SLO file). A figure is a part of a report, at a path.

-- Events (e) by time: i is their order, seen is by when what was looked for was so. A fault is told by its number or, without one, its target.
CREATE TABLE e AS SELECT row_number() OVER (ORDER BY j->>'t', n) i, j->>'t' t, j->>'until' until, max(j->>'t', ifnull(j->>'until', 0)) seen, j->>'kind' kind, ifnull(j->>'node', '')
  node, ifnull(j->>'edge', '') edge, ifnull(j->>'text', '') text, ifnull(j->>'code', 0) code, ifnull(j->>'generation', 0) gen, ifnull(j->>'ok', 0) ok, j->>'planned' plan,
  j->>'kind' = 'node.serves' AND j->>'code' = 200 AND j->>'generation' > 0 AS good, ifnull('#' || (j->>'fault'), ifnull(j->>'edge', '') || ifnull(j->>'node', '')) fault, j FROM
  line WHERE n > 1 AND j->>'kind' <> 'recording.end'; CREATE INDEX ek ON e (kind, node);
CREATE TABLE run AS SELECT max(ifnull((SELECT max(seen) FROM e), 0), ifnull((SELECT max(done) FROM q), 0)) fin, (SELECT max(t) FROM e) last, j header FROM line WHERE n = 1;
CREATE TABLE s AS SELECT key stream, value->>'name' name, value->>'node' node, value->>'interval' every FROM run, json_each(header, '$.streams') WHERE type = 'object';
CREATE TABLE node AS SELECT key nth, value->>'name' node, value->>'role' role, value->>'import' AND value->>'export' IS NULL imports, value->>'control_plane' cp, (value->>'name')
  || '>' || ifnull(value->>'store', 'store') shelf FROM run, json_each(header, '$.nodes') WHERE type = 'object';
UPDATE node SET cp = iif(role = 'control_plane', node, ifnull(cp, (SELECT node FROM node x WHERE role = 'control_plane' ORDER BY nth LIMIT 1)));
INSERT INTO figure SELECT '', json_object('schema', 1, 'duration_ns', fin, 'profile', json(header->'$.profile')) FROM run;

CREATE TABLE step AS SELECT *, json_object('step', j->>'step', 'planned_ns', plan, 'began_ns', t, 'late_ns', t - plan) look FROM e WHERE kind = 'step.begin' AND plan > 0;
INSERT INTO figure SELECT '/phases', json_group_array(json_object('from_ns', t, 'to_ns', till) ORDER BY i) FROM (SELECT *, lead(t, 1, fin) OVER (ORDER BY i) till FROM e, run WHERE
  kind = 'phase') UNION ALL SELECT '/steps', json_group_array(json(look) ORDER BY i) FROM step UNION ALL SELECT * FROM (SELECT '/latest_step', look FROM step ORDER BY t - plan
  DESC, i LIMIT 1) UNION ALL SELECT '/incidents', json_group_array(json_object('at_ns', t) ORDER BY i) FROM (SELECT DISTINCT 0 i, 0 t FROM q WHERE stream NOT IN (SELECT stream FROM
  s) UNION ALL SELECT i, t FROM e WHERE kind GLOB '*.error' OR kind IN ('wait.timeout', 'node.exit', 'interrupted', 'change.unknown') OR kind = 'step.end' AND j->>'error' <> '');

-- Faults (f): to a fault belongs what is of it and comes before its healing (stop); to its healing, what comes before it is injected again.
CREATE TABLE f AS WITH a AS (SELECT *, ifnull((SELECT min(i) FROM e x WHERE kind = 'fault.heal' AND x.fault = e.fault AND x.i > e.i), 1e18) stop FROM e WHERE kind =
  'fault.inject'), b AS (SELECT *, ifnull((SELECT min(i) FROM e x WHERE kind = 'fault.inject' AND x.fault = a.fault AND x.i > stop), 1e18) again FROM a) SELECT row_number() OVER
  (ORDER BY i) - 1 k, edge, node, text mode, t begun, (SELECT t FROM e WHERE i = stop) heal, (SELECT ok FROM e x WHERE kind = 'fault.healed.witness' AND x.fault = b.fault AND x.i >
  stop AND x.i < again ORDER BY i DESC LIMIT 1) mended, (SELECT min(t) FROM e x WHERE kind = 'fault.active' AND x.fault = b.fault AND x.i > b.i AND x.i < stop AND x.text = b.text)
  active, (SELECT min(ok) FROM e x WHERE kind = 'fault.witness' AND x.fault = b.fault AND x.i > b.i AND x.i < stop) seen, ifnull((SELECT max(t) FROM e x WHERE kind = 'fault.healed'
  AND x.fault = b.fault AND x.i > stop AND x.i < again), fin) healed FROM b, run;
INSERT INTO figure SELECT '/faults', json_group_array(json_object('edge', edge, 'mode', mode, 'start', json_object('from_ns', begun, 'to_ns', ifnull(active, fin)), 'active', active
  IS NOT NULL, 'end', iif(heal IS NULL, NULL, json_object('from_ns', heal, 'to_ns', healed)), 'heal_witnessed', mended) ORDER BY k) FROM f, run;

-- What came through the edges: the attempts (c) of the node that an edge is for, with the gap before each, and what its meters counted (m).
CREATE TABLE c AS SELECT *, row_number() OVER (PARTITION BY edge, gap IS NULL ORDER BY gap) nth FROM (SELECT edge, t, t - lag(t) OVER (PARTITION BY edge ORDER BY i) gap FROM e
  WHERE kind = 'edge.connect' AND (node = '' OR instr(edge, node || '>') = 1));
CREATE TABLE m AS SELECT a.*, ifnull(j->>'passed', 0) passed, iif(bytes, ifnull(j->>'offered', 0), NULL) offered FROM (SELECT edge, max(kind <> 'fault.inject') metered,
  max(iif(kind = 'edge.bytes', i, NULL)) bytes, (SELECT count(*) FROM c WHERE c.edge = e.edge) tries, (SELECT max(mode IN ('exit', 'drop', 'flapping')) FROM f WHERE f.edge = e.edge
  AND active IS NOT NULL) blind, (SELECT count(*) FROM f JOIN c USING (edge) WHERE f.edge = e.edge AND t BETWEEN active AND ifnull(heal, fin)) under FROM e, run WHERE kind IN
  ('edge.connect', 'edge.bytes', 'fault.inject') AND edge <> '' GROUP BY edge) a LEFT JOIN e ON i = bytes;
INSERT INTO figure SELECT '/connections', json_group_array(json_object('edge', edge, 'attempts', iif(metered, tries, NULL), 'attempts_under_fault', iif(metered AND (under > 0 OR
  NOT blind), under, NULL), 'min_gap_ns', (SELECT min(gap) FROM c WHERE c.edge = m.edge), 'median_gap_ns', (SELECT gap FROM c WHERE c.edge = m.edge AND gap IS NOT NULL AND nth =
  tries / 2), 'offered_bytes', offered) ORDER BY edge) FROM m;

-- Windows (w) in which a fault kept its control plane from giving a data plane a configuration, and the outages (ep) of the control plane that they come to.
CREATE TABLE w AS SELECT p.node, begun lo, min(ifnull(heal, last), last) hi FROM node p, run JOIN f ON CASE WHEN mode IN ('certificate-wrong', 'certificate-expired') THEN f.node =
  p.node WHEN mode = 'certificate-rotated' THEN p.cp = (SELECT cp FROM node x WHERE x.node = f.node) WHEN mode = 'dns-failure' THEN substr(f.edge, 1, length(p.node) + 1) = p.node
  || '>' WHEN mode IN ('exit', 'blackhole', 'reset', 'drop', 'asymmetric', 'kill', 'terminate', 'pause', 'cp-busy', 'cp-silent-after-tls', 'cp-silent-after-upgrade',
  'cp-no-database', 'cp-oversized-payload', 'cp-invalid-configuration') THEN f.edge = p.node || '>' || p.cp OR f.node = p.cp END WHERE role = 'data_plane';
CREATE TABLE ep AS WITH a AS (SELECT *, max(hi) OVER (ORDER BY lo ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) before FROM w), b AS (SELECT *, sum(lo > ifnull(before, -1))
  OVER (ORDER BY lo) nth FROM a) SELECT nth, min(lo) lo, max(hi) hi, count(DISTINCT node) nodes FROM b GROUP BY nth;
INSERT INTO figure SELECT '/control_plane_outages', json_group_array(json_object('from_ns', lo, 'to_ns', hi, 'data_planes', nodes) ORDER BY nth) FROM ep;
-- Times in which the harness kept a data plane from answering: it had ended or frozen it, and the node has not served again since, nor had the time.
CREATE TABLE away AS WITH a AS (SELECT n.node, begun lo, iif(heal IS NULL, NULL, healed) till FROM node n JOIN f USING (node) WHERE mode IN ('kill', 'terminate', 'pause',
  'restart', 'crash-loop') UNION ALL SELECT node, t, (SELECT min(t) FROM e x WHERE x.kind = 'node.start' AND x.node = e.node AND x.t >= e.t) FROM e WHERE kind = 'node.stop'), b AS
  (SELECT a.*, (SELECT seen FROM e WHERE good AND e.node = a.node AND t >= till ORDER BY i LIMIT 1) back FROM a) SELECT node, lo, min(last, ifnull(min(ifnull(back, 9e18), till +
  (header->>'$.profile.dial_timeout') + (header->>'$.profile.no_configuration_wait') + 5000000000), last)) hi FROM b, run;

-- Requests (r): k is their order within a stream, by when they were due; nth, the outage in which its data plane was.
CREATE TABLE r AS WITH a AS (SELECT q.*, q.rowid line, node, '[null, "wrong status", "wrong body", "refused", "reset", "eof", "timeout", "other error"]' ->> class fails, EXISTS
  (SELECT 1 FROM away WHERE away.node = s.node AND lo <= done AND due <= hi) away, (SELECT ep.nth FROM w JOIN ep ON w.lo BETWEEN ep.lo AND ep.hi WHERE w.node = s.node AND due >=
  w.lo AND due < w.hi ORDER BY w.lo LIMIT 1) nth FROM q JOIN s USING (stream)) SELECT a.*, row_number() OVER (PARTITION BY stream ORDER BY due, line) k, min(max(CAST(CAST(due AS
  REAL) / fin * 180 AS INT), 0), 179) slot, CASE WHEN nth > 0 THEN 'outage' WHEN due < (SELECT ifnull(min(lo), 9e18) FROM ep) THEN 'steady' WHEN due >= (SELECT hi FROM ep WHERE
  ep.nth = 1) THEN 'recovery' ELSE 'beside' END phase, class = 0 AND done - due <= 1e9 prompt FROM a, run; CREATE INDEX rk ON r (stream, k);
-- What there are percentiles of: each value (v) with its rank (nth) among all n of its set.
CREATE TABLE sample AS WITH a AS (SELECT 'latency' what, node of, done - due v FROM r WHERE class = 0 UNION ALL SELECT 'lag', '', sent - due FROM r UNION ALL SELECT 'late', node,
  sent - due FROM r UNION ALL SELECT 'service', node, done - sent FROM r WHERE class = 0 UNION ALL SELECT 'slot', slot, done - due FROM r WHERE class = 0 UNION ALL SELECT 'phase',
  phase, done - due FROM r WHERE class = 0 AND NOT away AND (phase <> 'steady' OR done < (SELECT ifnull(min(t), 9e18) FROM e WHERE kind = 'fault.inject'))) SELECT *, row_number()
  OVER (PARTITION BY what, of ORDER BY v) nth, count(*) OVER (PARTITION BY what, of) n FROM a; CREATE INDEX sw ON sample (what, of, nth);
CREATE TABLE p AS SELECT what, of, n, max(v) most, max(v) FILTER (WHERE nth = (n + 1) / 2) p50, max(v) FILTER (WHERE nth = (n * 99 + 99) / 100) p99 FROM sample GROUP BY what, of;
CREATE TABLE t AS SELECT s.node, min(s.stream) nth, count(DISTINCT s.stream) streams, min(every) every, count(due) n, count(*) FILTER (WHERE class = 0) good, count(*) FILTER (WHERE
  flags & 1) masked, count(*) FILTER (WHERE flags & 2) new FROM s LEFT JOIN r USING (stream) GROUP BY s.node;
INSERT INTO figure SELECT '/traffic', json_group_array(json_object('node', node, 'streams', streams, 'resolution_ns', every, 'requests', t.n, 'good', good, 'masked', masked,
  'new_connections', new, 'availability', 1.0 * good / t.n, 'availability_lower_95', iif(t.n > 0, 1 - atmost(t.n - good, t.n, 0.95), NULL), 'latency', json_object('p50_ns', l.p50,
  'p99_ns', iif(l.n < 100, NULL, l.p99), 'max_ns', l.most), 'service', json_object('p50_ns', u.p50, 'p99_ns', iif(u.n < 100, NULL, u.p99), 'max_ns', u.most), 'lag_p99_ns', iif(g.n
  < 100, NULL, g.p99), 'failures', json((SELECT json_group_object(fails, c) FROM (SELECT fails, count(*) c FROM r WHERE fails <> '' AND r.node = t.node GROUP BY fails)))) ORDER BY
  t.nth) FROM t LEFT JOIN p l ON l.what = 'latency' AND l.of = node LEFT JOIN p u ON u.what = 'service' AND u.of = node LEFT JOIN p g ON g.what = 'late' AND g.of = node UNION ALL
  SELECT '/generations', json_group_array(json_object('generation', gen, 'answers', n, 'first_ns', a, 'last_ns', z) ORDER BY nth, gen) FROM (SELECT t.nth, gen, count(*) n,
  min(done) a, max(done) z FROM r JOIN t USING (node) WHERE class = 0 AND gen > 0 GROUP BY t.nth, gen);
CREATE TABLE metric AS SELECT text, ifnull(j->>'value', 0) v, i FROM e WHERE kind = 'metric' AND node = 'harness' AND ifnull(j->>'error', '') = '';
INSERT INTO figure SELECT '/measurement', json_object(name, CAST((z - iif(name GLOB 'slots_*', 0, a)) * iif(name GLOB '*_ns', 1e9, 1) AS INT)) FROM (SELECT DISTINCT iif(text =
  'cpu_seconds', 'harness_', '') || replace(text, '_seconds', '_ns') name, first_value(v) OVER w a, last_value(v) OVER w z FROM metric WHERE text GLOB 'slots_*' OR text IN
  ('cpu_seconds', 'gc_pause_seconds', 'cpu_throttled_seconds', 'cpu_throttled_periods') WINDOW w AS (PARTITION BY text ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED
  FOLLOWING)) UNION ALL SELECT '/measurement', json_object('highest_load_average', max(v)) FROM metric WHERE text = 'load_average_1m';
CREATE TABLE slot AS WITH RECURSIVE a AS (SELECT 0 slot UNION ALL SELECT slot + 1 FROM a WHERE slot < 179) SELECT slot FROM a WHERE EXISTS (SELECT 1 FROM r);
CREATE TABLE inslot AS SELECT slot, fails, count(*) n FROM r GROUP BY slot, fails;
INSERT INTO figure SELECT '/timeline', json_group_array(json_object('from_ns', CAST(CAST(fin AS REAL) * slot / 180 AS INT), 'to_ns', CAST(CAST(fin AS REAL) * (slot + 1) / 180 AS
  INT), 'requests', (SELECT ifnull(sum(n), 0) FROM inslot x WHERE x.slot = slot.slot), 'p50_ns', p50, 'p99_ns', p99, 'failures', json((SELECT json_group_object(fails, n) FROM
  inslot x WHERE x.slot = slot.slot AND fails <> ''))) ORDER BY slot) FROM slot LEFT JOIN p ON what = 'slot' AND of = slot, run UNION ALL SELECT '/traffic_by_phase',
  json_group_array(json_object('node', node, 'phase', ph, 'requests', n, 'late', late, 'masked', masked, 'availability_strict', 1.0 * strict / n, 'availability_client', 1.0 *
  client / n, 'failures', json((SELECT json_group_object(fails, c) FROM (SELECT fails, count(*) c FROM r x WHERE fails <> '' AND x.node = a.node AND iif(away, 'away', phase) = ph
  GROUP BY fails)))) ORDER BY nth, instr('steady outage beside recovery away', ph)) FROM (SELECT t.nth, r.node, iif(away, 'away', phase) ph, count(*) n, sum(class = 0 AND done -
  due > 1e9) late, sum(flags & 1) masked, sum(prompt) client, sum(prompt AND NOT flags & 1) strict FROM r JOIN t USING (node) GROUP BY r.node, ph) a;
CREATE TABLE ladder AS SELECT of, value percent, (n * CAST(round(value * 1000) AS INT) + 99999) / 100000 nth, rank(n, value / 100.0, 0.95) bound FROM p, json_each('[50, 75, 90, 95,
  99, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999]') WHERE what = 'phase';
INSERT INTO figure SELECT '/latency_by_phase', json_group_array(json_object('phase', of, 'answers', n, 'max_ns', most, 'percentiles', json((SELECT
  json_group_array(json_object('percent', percent, 'value_ns', v.v, 'at_most_ns', u.v) ORDER BY percent) FROM ladder JOIN sample v ON v.what = 'phase' AND v.of = ladder.of AND
  v.nth = ladder.nth JOIN sample u ON u.what = 'phase' AND u.of = ladder.of AND u.nth = bound WHERE ladder.of = p.of))) ORDER BY instr('steady outage recovery', of)) FROM p WHERE
  what = 'phase' AND of <> 'beside' UNION ALL SELECT '/measurement', json_object('requests', (SELECT count(*) FROM r), 'lag_p50_ns', p50, 'lag_p99_ns', iif(n < 100, NULL, p99),
  'lag_max_ns', most, 'late_limit_ns', 10000000, 'sent_late', iif(n > 0, (SELECT count(*) FROM r WHERE sent - due > 10000000), NULL), 'resolution_ns', (SELECT max(every) FROM s
  JOIN r USING (stream))) FROM run LEFT JOIN p ON what = 'lag' AND of = '';

-- Outages (o): failures of a stream, in the order of sending, with fewer than three good answers between two are one. What became of a request was decided by decided.
CREATE TABLE x AS WITH a AS (SELECT *, max(iif(class = 0, done - sent, 0)) OVER (PARTITION BY stream) slow FROM r) SELECT stream, class, fails, sent, done, iif(class = 6, min(done,
  sent + slow), done) decided, row_number() OVER (PARTITION BY stream ORDER BY sent, k) k, count(*) OVER (PARTITION BY stream) n FROM a; CREATE INDEX xk ON x (stream, k);
CREATE TABLE o AS WITH a AS (SELECT *, lag(k, 1, -9) OVER (PARTITION BY stream ORDER BY k) before FROM x WHERE class > 0), b AS (SELECT *, sum(k - before > 3) OVER (PARTITION BY
  stream ORDER BY k) nth FROM a), c AS (SELECT stream, min(k) first, max(k) last, n, count(*) failed, sum(k - before > 1) runs, min(decided) s2, max(decided) over, min(sent) begin,
  max(sent) e1 FROM b GROUP BY stream, nth) SELECT *, (SELECT sent FROM x WHERE x.stream = c.stream AND (k < first AND class = 0 AND decided <= begin OR k = 1) ORDER BY k DESC
  LIMIT 1) s1, ifnull((SELECT done FROM x WHERE x.stream = c.stream AND k > c.last AND class = 0 AND sent >= over ORDER BY k LIMIT 1), fin) e2 FROM c, run;
INSERT INTO figure SELECT '/outages', json_group_array(json_object('stream', name, 'node', node, 'start', json_object('from_ns', s1, 'to_ns', s2), 'end', json_object('from_ns', e1,
  'to_ns', e2), 'open_start', first = 1, 'open_end', o.last = n, 'min_ns', max(0, e1 - s2), 'max_ns', e2 - s1, 'failed', failed, 'runs', runs, 'classes', json((SELECT
  json_group_object(fails, c) FROM (SELECT fails, count(*) c FROM x WHERE fails <> '' AND x.stream = o.stream AND k BETWEEN first AND o.last GROUP BY fails)))) ORDER BY s1, stream,
  first) FROM o JOIN s USING (stream);

-- Starts of data planes (b), and what befell each (life) until the node's next start or end.
CREATE TABLE b AS SELECT a.*, ifnull(x.t, fin) over FROM (SELECT e.*, row_number() OVER (ORDER BY e.i) - 1 k, ifnull((SELECT min(x.i) FROM e x WHERE x.node = e.node AND kind IN
  ('node.start', 'node.exit') AND x.i > e.i), 1e18) stop FROM e JOIN node USING (node) WHERE kind = 'node.start' AND role = 'data_plane') a LEFT JOIN e x ON x.i = stop, run;
CREATE TABLE life AS SELECT b.k, e.*, e.t - b.t after, e.until - b.t done, e.seen - b.t known FROM b JOIN e ON e.node = b.node AND e.i > b.i AND e.i < stop;
CREATE TABLE good AS SELECT k, known, gen, -1 stream FROM life WHERE i IN (SELECT min(i) FROM life WHERE good GROUP BY k) UNION ALL SELECT a.k, done - a.t, gen, stream FROM (SELECT
  b.k, b.t, stream, min(r.k) first FROM b JOIN r USING (node) WHERE class = 0 AND sent >= b.t AND done <= over GROUP BY b.k, stream) a JOIN r USING (stream) WHERE r.k = first;
INSERT INTO figure SELECT '/starts', json_group_array(json_object('node', node, 'at_ns', t, 'control_plane_dial_ns', (SELECT min(after) FROM life WHERE life.k = b.k AND kind =
  'edge.connect' AND substr(edge, instr(edge, '>') + 1) IN (SELECT node FROM node WHERE role = 'control_plane')), 'store_read_ns', (SELECT after FROM life WHERE life.k = b.k AND
  kind = 'store.request' AND text GLOB 'GET *' ORDER BY i LIMIT 1), 'store_done_ns', (SELECT done FROM life WHERE life.k = b.k AND kind = 'store.request' AND text GLOB 'GET *'
  ORDER BY i LIMIT 1), 'ready_ns', (SELECT known FROM life WHERE life.k = b.k AND kind = 'node.ready' AND code = 200 ORDER BY i LIMIT 1), 'first_good_ns', (SELECT min(known) FROM
  good WHERE good.k = b.k), 'generation', (SELECT nullif(gen, 0) FROM good WHERE good.k = b.k ORDER BY known, stream LIMIT 1)) ORDER BY k) FROM b;

-- How far acknowledged changes came: spans in which data planes served, and when each that served then served the change or a newer one that was not planted.
CREATE TABLE span AS SELECT *, json_object('from_ns', t, 'to_ns', till, 'code', code, 'generation', gen) look FROM (SELECT e.*, what, lead(t, 1, fin) OVER (PARTITION BY node, what
  ORDER BY i) till FROM run, e JOIN (SELECT 'node.ready' what UNION ALL SELECT 'node.serves') ON kind IN (what, 'watch.end')) WHERE kind = what;
CREATE TABLE serves AS SELECT span.* FROM span JOIN node USING (node) WHERE role = 'data_plane' AND good;
INSERT INTO figure SELECT '/nodes', json_group_array(json_object('ready', json(ready), 'serves', json(serves), 'starts_ns', json(starts), 'exits_ns', json(exits)) ORDER BY nth)
  FROM (SELECT nth, (SELECT json_group_array(json(look) ORDER BY i) FROM span WHERE span.node = n.node AND what = 'node.ready') ready, (SELECT json_group_array(json(look) ORDER BY
  i) FROM span WHERE span.node = n.node AND what = 'node.serves') serves, (SELECT json_group_array(t ORDER BY i) FROM e WHERE node = n.node AND kind = 'node.start') starts, (SELECT
  json_group_array(t ORDER BY i) FROM e WHERE node = n.node AND kind = 'node.exit') exits FROM node n) WHERE ready || serves || starts || exits <> '[][][][]';
-- Levels: the newest generation that was acknowledged, that an independent reader found in a store, and that a data plane served; none, or nobody looked, is 0 or less.
CREATE TABLE level AS WITH a AS (SELECT i, 'acknowledged' what, '' of, t lo, gen FROM e WHERE kind = 'change.acked' UNION ALL SELECT i, 'stores', node, seen, iif(j->>'error' <> '',
  0, gen) FROM e WHERE kind = 'store.object' UNION ALL SELECT i, 'data_planes', node, t, CASE WHEN kind = 'watch.end' THEN -1 WHEN code = 200 THEN gen ELSE 0 END FROM e JOIN node
  USING (node) WHERE role = 'data_plane' AND kind IN ('node.serves', 'watch.end')), b AS (SELECT *, lag(gen) OVER (PARTITION BY what, of ORDER BY i) before FROM a) SELECT what, of,
  i, gen, json_object('from_ns', lo, 'to_ns', lead(lo, 1, fin) OVER (PARTITION BY what, of ORDER BY i), 'generation', gen) j FROM b, run WHERE gen IS NOT before;
INSERT INTO figure SELECT '/staleness/' || what, CASE what WHEN 'acknowledged' THEN max(j) ELSE json_group_array(json_object('levels', json(j)) ORDER BY nth, of) END FROM (SELECT
  what, of, (SELECT nth FROM node WHERE node.node = of AND what = 'data_planes') nth, json_group_array(json(j) ORDER BY i) FILTER (WHERE gen > 0) j FROM level GROUP BY what, of
  HAVING max(gen) > -1) GROUP BY what UNION ALL SELECT '/staleness/planted', json_group_array(gen ORDER BY gen) FROM (SELECT DISTINCT gen FROM e WHERE kind = 'store.planted') UNION
  ALL SELECT '/staleness/changes', json_group_array(json_object('generation', gen, 'acknowledged_ns', t, 'data_planes', n, 'served_by', served, 'first_served_after_ns', first,
  'last_served_after_ns', last) ORDER BY i) FROM (SELECT c.i, c.gen, c.t, count(node) n, count(after) served, min(after) first, max(after) last FROM (SELECT c.i, c.gen, c.t,
  d.node, (SELECT max(0, min(x.t) - c.t) FROM serves x WHERE x.node = d.node AND x.i >= d.i AND x.gen >= c.gen AND x.gen NOT IN (SELECT gen FROM e WHERE kind = 'store.planted'))
  after FROM e c LEFT JOIN serves d ON c.t >= d.t AND c.t < d.till WHERE c.kind = 'change.acked') c GROUP BY c.i);
-- What data planes that may import asked of their store from when they were ready (t) in one of their lives to its end (till), by its requests and by the meter on their edge.
CREATE TABLE asked AS WITH a AS (SELECT e.i, t began, node, nth, shelf, ifnull((SELECT min(t) FROM e x WHERE x.node = e.node AND kind IN ('node.start', 'node.stop', 'node.exit')
  AND x.i > e.i), 9e18) stop FROM e JOIN node USING (node) WHERE kind = 'node.start' AND role = 'data_plane' AND imports), b AS (SELECT *, min(last, stop) till, (SELECT seen FROM e
  WHERE kind = 'node.ready' AND e.node = a.node AND code = 200 AND seen >= began AND t < stop ORDER BY i LIMIT 1) t FROM a, run) SELECT row_number() OVER (ORDER BY t, nth, i) k,
  b.*, EXISTS (SELECT 1 FROM e WHERE edge = shelf AND kind IN ('edge.connect', 'edge.syn', 'edge.bytes')) metered, iif(EXISTS (SELECT 1 FROM e WHERE kind = 'store.request'),
  (SELECT count(*) FROM e WHERE kind = 'store.request' AND node = b.node AND t > b.t AND t < stop), NULL) requests, (SELECT count(*) FROM e WHERE kind = 'edge.connect' AND edge =
  shelf AND node = b.node AND t > b.t AND t <= till) dials FROM b WHERE t IS NOT NULL;
INSERT INTO figure SELECT '/store_reads_after_boot', json_group_array(json_object('node', node, 'from_ns', t, 'watched_ns', max(0, till - t), 'requests', requests, 'connections',
  iif(metered, dials, NULL), 'probed', probed, 'bytes', iif(metered AND NOT probed, (SELECT ifnull(max(j->>'offered'), 0) FROM e WHERE kind = 'edge.bytes' AND edge = shelf AND t <=
  till) - (SELECT ifnull(max(j->>'offered'), 0) FROM e WHERE kind = 'edge.bytes' AND edge = shelf AND t <= a.t), NULL)) ORDER BY k) FROM (SELECT *, metered AND EXISTS (SELECT 1
  FROM e WHERE kind = 'edge.connect' AND edge = shelf AND e.t BETWEEN b.t AND till AND node <> '' AND instr(edge, node || '>') <> 1) probed FROM asked b) a;
INSERT INTO figure SELECT '/store_requests', json_group_array(json_object('requests', n, 'succeeded', good, 'denied', denied, 'failed', n - good - denied, 'bytes', bytes,
  'first_ns', a, 'last_ns', z) ORDER BY node, method) FROM (SELECT node, substr(text, 1, instr(text, ' ') - 1) method, count(*) n, sum(code BETWEEN 200 AND 299 OR code = 304) good,
  sum(code IN (401, 403)) denied, sum(ifnull(j->>'bytes', 0)) bytes, min(t) a, max(t) z FROM e WHERE kind = 'store.request' GROUP BY node, method);

-- What the SLO file asks for (goal), and the requests that answer it.
CREATE TABLE goal AS WITH d AS (SELECT rowid doc, j, j->'$.metadata.annotations' a, j->'$.spec.indicator.spec' spec, (SELECT x.j->>'$.spec.timeWindow[0].duration' w FROM slo x
  WHERE w <> '' ORDER BY x.rowid LIMIT 1) win FROM slo WHERE j->>'kind' = 'SLO'), c AS (SELECT row_number() OVER (ORDER BY doc, key) - 1 k, a, win, value v,
  ifnull(spec->'$.ratioMetric.raw.metricSource.spec', spec->'$.thresholdMetric.metricSource.spec') source FROM d, json_each(d.j, '$.spec.objectives')) SELECT k, source->>'sli' sli,
  ifnull(a->>'blackout/phase', 'outage') phase, CAST(ifnull(source->>'deadline', '1s') AS REAL) * iif(source->>'deadline' GLOB '*ms', 1e6, 1e9) deadline,
  ifnull(CAST(a->>'blackout/confidence' AS REAL), 0.95) confidence, nullif(v->>'target', 0) target, v->>'value' lim, 1000000000 * CAST(win AS INT) * ('{"m": 60, "h": 3600, "d":
  86400, "w": 604800, "M": 2592000, "Q": 7776000, "Y": 31536000}' ->> substr(win, -1)) win, CAST(ifnull(a->>'blackout/min-samples', 0) AS INT) least,
  ifnull(a->>'blackout/invariant', '') = 'true' invariant FROM c;
CREATE TABLE answer AS SELECT k, count(*) samples, sum(bad) bad, count(DISTINCT nth) outages, count(DISTINCT iif(bad, nth, NULL)) hit FROM (SELECT goal.k, nth, class > 0 OR done -
  due > deadline OR sli LIKE 'proxy-%' AND flags & 1 bad FROM goal JOIN r ON goal.phase IN ('run', r.phase) WHERE NOT away AND sli LIKE '%-availability') GROUP BY k;

-- From here on it is about what the report says. Of an objective's n samples some are bad: of those that oracles found, the report has the values, up to 64 (where it
-- has as many, how many there are, how many are bad and the worst are given), and of starts and recoveries ([dr]*) the outages.
CREATE VIEW counted AS SELECT goal.*, v, most, v->>'kind' kind, v->>'status' status, CASE WHEN v->>'status' = 'INVALID' AND v->>'samples' = 0 THEN 0 WHEN sli LIKE '%-availability'
  THEN ifnull(samples, 0) WHEN sli = 'store-reads-after-boot' THEN (SELECT max(ifnull(sum(max(0, till - t)), 0) / 1000000000, ifnull(sum(requests + dials) > 0, 0)) FROM asked WHERE
  requests IS NOT NULL) WHEN most OR sli IN ('wrong-configuration', 'latency-ratio', 'measurement-validity') THEN v->>'samples' ELSE json_array_length(v->'values') END n, CASE WHEN
  v->>'status' = 'INVALID' AND v->>'samples' = 0 THEN 0 WHEN sli LIKE '%-availability' THEN ifnull(x.bad, 0) WHEN sli = 'store-reads-after-boot' THEN (SELECT
  ifnull(sum(max(requests, dials)), 0) FROM asked) WHEN sli = 'wrong-configuration' OR most THEN v->>'bad' ELSE (SELECT count(*) FROM json_each(v->'values') WHERE atom IS NULL OR
  atom > lim) END bad, ifnull(x.outages, iif(sli GLOB '[dr]*', v->>'$.in_general.outages', 0)) outages, ifnull(x.outages - hit, iif(sli GLOB '[dr]*', v->>'$.in_general.clean', 0))
  clean FROM goal JOIN (SELECT key k, value v, json_array_length(value->'values') = 64 most FROM report, json_each(j, '$.objectives')) USING (k) LEFT JOIN answer x USING (k);
CREATE VIEW bounded AS SELECT *, max(n - bad, 0) good, kind IN ('share', 'values', 'count') AND n > 0 bounds, atmost(bad, n, confidence) failing FROM counted;
CREATE VIEW judged AS SELECT '/objectives' path, json_group_object(k || ' ' || sli, json_object('confidence', confidence, 'min_samples', least, 'target', target, 'limit', lim,
  'invariant', invariant, 'samples', n, 'bad', bad, 'worst', iif(most, v->>'worst', (SELECT max(atom) FROM json_each(v->'values'))), 'estimate', iif(bounds, 1.0 * good / n, NULL),
  'lower', iif(bounds, 1 - atmost(n - good, n, confidence), NULL), 'upper', iif(bounds, atmost(good, n, confidence), NULL), 'in_general', json_object('outages', outages, 'clean',
  clean, 'clean_lower', iif(outages > 0, 1 - atmost(outages - clean, outages, confidence), NULL)), 'needed', CASE WHEN status <> 'NOT PROVEN' OR kind = 'ratio' THEN NULL WHEN
  invariant THEN nullif(max(least - n, 0), 0) ELSE max(least - n, needed(bad, target, confidence) - n) END, 'status', CASE WHEN status = 'INVALID' OR kind = 'ratio' THEN status
  WHEN n = 0 THEN 'NOT MEASURED' WHEN kind = 'gate' THEN 'PROVEN' WHEN invariant AND bad > iif(kind = 'count', lim, 0) THEN 'VIOLATED' WHEN NOT invariant AND 1 - atmost(n - bad, n,
  confidence) > 1 - target THEN 'VIOLATED' WHEN n >= least AND (invariant OR failing <= 1 - target) THEN 'PROVEN' ELSE 'NOT PROVEN' END)) j FROM bounded UNION ALL SELECT
  '/error_budgets', json_group_array(json_object('target', target, 'confidence', confidence, 'samples', n, 'bad', bad, 'allowed', (1 - target) * n, 'outages', eps, 'used',
  iif(told, bad / ((1 - target) * n), NULL), 'bad_share', iif(told, 1.0 * bad / n, NULL), 'bad_at_most', iif(told, failing, NULL), 'window_ns', win, 'allowance_ns', CAST(may AS
  INT), 'outage_like_this', json(iif(costs, json_object('outage_ns', long, 'measured', long * bad / n / may, 'at_most', failing * long / may), NULL)), 'outage_of_60_min',
  json(iif(costs, json_object('outage_ns', 3600000000000, 'measured', 36e11 * bad / n / may, 'at_most', failing * 36e11 / may), NULL))) ORDER BY k) FROM (SELECT *, told AND phase =
  'outage' AND win > 0 AND eps > 0 costs FROM (SELECT *, status <> 'INVALID' AND n > 0 told, (1 - target) * win may FROM bounded WHERE kind = 'share' AND target IS NOT NULL AND NOT
  invariant), (SELECT count(*) eps, sum(hi - lo) / count(*) long FROM ep)) UNION ALL SELECT '/outcome', json_object('held', total(s = 'HELD'), 'violated', total(s = 'VIOLATED'),
  'not_measured', total(s = 'NOT MEASURED'), 'invalid', total(s NOT IN ('HELD', 'VIOLATED', 'NOT MEASURED'))) FROM (SELECT value->>'status' s FROM report, json_each(j,
  '$.promises')) UNION ALL SELECT '/outcome/objectives', json_object('proven', total(s = 'PROVEN'), 'violated', total(s = 'VIOLATED'), 'not_measured', total(s = 'NOT MEASURED'),
  'not_proven', total(s = 'NOT PROVEN'), 'invalid', total(s NOT IN ('PROVEN', 'VIOLATED', 'NOT MEASURED', 'NOT PROVEN'))) FROM (SELECT value->>'status' s FROM report, json_each(j,
  '$.objectives')) UNION ALL SELECT '/faults', json_group_array(json_object('witnessed', ifnull(seen, 0) AND instr(value->>'witness', '; but ') = 0) ORDER BY k) FROM f, report,
  json_each(j, '$.faults') WHERE key = k UNION ALL SELECT '/connections', json_group_array(json_object('passed_bytes', iif(bytes AND EXISTS (SELECT 1 FROM f, report, json_each(j,
  '$.faults') WHERE key = k AND f.edge = m.edge AND active IS NOT NULL AND mode IN ('reset', 'truncate', 'blackhole', 'asymmetric', 'latency', 'jitter', 'bandwidth', 'slicing') AND
  (passed > 0 OR value->>'witnessed')), passed, NULL)) ORDER BY edge) FROM m;
-- Both sides, taken apart.
CREATE VIEW leaf AS SELECT mine, part.path || replace(replace(replace(replace(substr(fullkey, 2), '[', '/'), ']', ''), '.', '/'), '"', '') path, atom FROM (SELECT 1 mine, * FROM
  figure UNION ALL SELECT 1, * FROM judged UNION ALL SELECT 0, '', json_set(j, '$.objectives', json((SELECT json_group_object(key || ' ' || (value->>'indicator'), json(value)) FROM
  json_each(j, '$.objectives')))) FROM report) part, json_tree(part.j) WHERE atom IS NOT NULL;
-- Where they differ; what is the same for every report (own) is taken apart once. Fractions may, by a billionth: they are reached by another arithmetic.
CREATE VIEW different AS SELECT path, a reported, b recomputed FROM (SELECT path, max(atom) FILTER (WHERE NOT mine) a, max(atom) FILTER (WHERE mine) b FROM (SELECT * FROM leaf
  UNION ALL SELECT * FROM own) GROUP BY path) WHERE CASE WHEN 'text' IN (typeof(a), typeof(b)) THEN a <> b ELSE a IS NULL OR b IS NULL OR abs(a - b) > iif('real' IN (typeof(a),
  typeof(b)), 1e-9 * max(abs(a), 1), 0) END AND NOT EXISTS (SELECT 1 FROM given WHERE path GLOB pattern); CREATE TABLE own AS SELECT * FROM leaf; DELETE FROM figure;
