// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blackout/harness/history"
)

// The figures that judging must not exceed, for a million events and requests.
const (
	million     = 1_000_000
	mostSeconds = 2.0
	mostMB      = 256
)

// judgeDir tells this test's program to judge a recording and end.
const judgeDir = "ORACLE_TEST_JUDGE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(judgeDir); dir != "" {
		judgeAndExit(dir)
	}
	os.Exit(m.Run())
}

// judgeAndExit judges a recording from its files and prints how long that took.
func judgeAndExit(dir string) {
	begin := time.Now()
	source, err := history.Open(dir)
	if err != nil {
		panic(err)
	}
	result, err := JudgeSource(source, Promises())
	if err != nil {
		panic(err)
	}
	for _, v := range result.Verdicts {
		if v.Status == Invalid {
			panic(fmt.Sprintf("%s is %s: %+v", v.Promise, v.Status, v.Clauses))
		}
	}
	fmt.Println(time.Since(begin).Seconds(), peak())
	os.Exit(0)
}

// peak is the most memory that this process ever had in use, in MB. The kernel's
// own figure for a child counts its parent's too, until the child's program was
// started.
func peak() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, text, _ = bytes.Cut(text, []byte("VmHWM:"))
	var kB float64
	if _, err := fmt.Sscan(string(text), &kB); err != nil {
		panic(err)
	}
	return kB / 1024
}

// BenchmarkJudge judges recordings of a million events and requests in a process
// of its own, whose memory can be measured: one as a long run writes it, most of it
// requests, and one without any, every line of it JSON. Memory is a limit; time is
// reported beside the load, since a busy machine takes longer.
func BenchmarkJudge(b *testing.B) {
	for name, events := range eventsOf(million) {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			writeLarge(b, dir, events, million-events)
			var took, processor, memory float64
			for b.Loop() {
				s, cpu, mb := judgeInChild(b, dir)
				took, processor, memory = took+s, processor+cpu, max(memory, mb)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(took/float64(b.N), "s/million")
			b.ReportMetric(processor/float64(b.N), "cpu-s/million")
			b.ReportMetric(memory, "MB-peak")
			b.ReportMetric(load(), "load")
			if memory > mostMB {
				b.Errorf("judging took %.0f MB, at most %d", memory, mostMB)
			}
			if took/float64(b.N) > mostSeconds {
				b.Logf("judging took %.2f s on this machine now, at most %.0f s on a quiet one", took/float64(b.N), mostSeconds)
			}
		})
	}
}

// eventsOf is how many are events in the sorts of recordings of so many events and
// requests.
func eventsOf(all int) map[string]int {
	return map[string]int{"as recorded": all / 10, "all JSON": all}
}

// TestLargeRecordings: what the benchmark judges is a recording of a good run, and
// judging it does work.
func TestLargeRecordings(t *testing.T) {
	t.Parallel()
	const all = 20_000
	for name, events := range eventsOf(all) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeLarge(t, dir, events, all-events)
			source, err := history.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			result, err := JudgeSource(source, Promises())
			if err != nil {
				t.Fatal(err)
			}
			held := 0
			for _, v := range result.Verdicts {
				for _, c := range v.Clauses {
					switch c.Status {
					case Held:
						held++
					case Invalid, Violated:
						t.Errorf("%s is %s: %s", c.ID, c.Status, c.Reason)
					}
				}
			}
			if held < 10 {
				t.Errorf("%d clauses held", held)
			}
		})
	}
}

// judgeInChild judges a recording in a process of its own and tells for how long
// it judged, the processor time and the most memory that it took.
func judgeInChild(b *testing.B, dir string) (seconds, processor, megabytes float64) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), judgeDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := fmt.Sscan(string(out), &seconds, &megabytes); err != nil {
		b.Fatal(err)
	}
	return seconds, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), megabytes
}

// load is the machine's load average over a minute; 0 where it is not known.
func load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	n, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return n
}

// largePlanes is how many data planes a large run has.
const largePlanes = 20

// writeLarge writes a recording of so many events and requests: an outage of twenty
// data planes and scale-out of ten.
func writeLarge(tb testing.TB, dir string, events, requests int) {
	tb.Helper()
	s := tell()
	s.changes(0.2, 1)
	length := 100.0
	draw := rand.New(rand.NewPCG(1, 2)) // many must not keep step
	for i := range largePlanes {
		name := fmt.Sprintf("dp-%d", i)
		s.plane(name, importing)
		s.starts(0.1, name)
		s.live(1, name, 1)
		s.breaks(20, name+">cp", "reset")
		s.drawsItsDelays(draw, name, 20.6, 80)
		s.heals(80, name+">cp")
	}
	s.holds(2, 1)
	for i := range 10 {
		name := fmt.Sprintf("new-%d", i)
		s.outageBefore(name, "reset")
		s.reads(3, name)
		s.live(4, name, 1)
		s.drawsItsDelays(draw, name, 2.3, 80)
		s.heals(80, name+">cp")
	}
	if requests > 0 {
		for i := range largePlanes {
			s.large(fmt.Sprintf("dp-%d", i), length, requests/largePlanes)
		}
	} else {
		s.probes("dp-0", 0.3, 20, 1)
	}
	s.chatter(events-len(s.rec.Events), length)
	s.ends(length + 1)
	save(tb, dir, s.recording())
}

// drawsItsDelays tells of a node's attempts at its control plane at drawn distances.
func (s *story) drawsItsDelays(draw *rand.Rand, node string, from, to float64) {
	for at := from; at < to; at += 0.5 + 0.5*draw.Float64() {
		s.dials(node, node+">cp", at)
	}
}

// large tells of a stream of so many requests to a node.
func (s *story) large(node string, length float64, count int) {
	interval := time.Duration((length - 0.3) * 1e9 / float64(count))
	s.stream(history.Stream{Name: node, Node: node, Interval: interval, Timeout: 2 * time.Second}, 0.3, length, func(r *history.Request) {
		r.Generation, r.Status = 1, 200
	})
}

// chatter tells of so many events of the kinds that a run has most of.
func (s *story) chatter(count int, length float64) {
	for i := range count {
		at := moments(5 + (length-5)*float64(i)/float64(count))
		node := fmt.Sprintf("dp-%d", i%largePlanes)
		e := history.Event{At: at, Node: node}
		switch i % 10 {
		case 0, 1, 2, 3:
			e.Kind, e.Text = history.NodeLog, fmt.Sprintf(`2026/11/23 05:44:25 level=info msg="dialling the control plane" attempt=%d address=127.0.0.1:34567`, i)
		case 4, 5:
			e.Kind, e.Text, e.Value = history.Metric, "rss_bytes", float64(i)*1024.5
		case 6:
			e.Kind, e.Edge, e.Node, e.Offered = history.EdgeBytes, node+">cp", "", int64(i)*40
		case 7:
			e.Kind, e.Code, e.OK, e.Until = history.ReadyCheck, 200, true, at+4e6
		case 8:
			e.Kind, e.Code, e.Text, e.Until = history.ReadyChange, 200, "ready", at+2e6
		case 9:
			e.Kind, e.Code, e.Generation, e.Until = history.ServeChange, 200, 1, at+4e6
		}
		s.rec.Events = append(s.rec.Events, e)
	}
}

// save writes a recording as a run does, at the times that its events tell.
func save(tb testing.TB, dir string, rec *history.Recording) {
	tb.Helper()
	var now atomic.Int64
	begin := time.Now()
	clock := func() time.Time { return begin.Add(time.Duration(now.Load())) }
	w, err := history.Create(dir, rec.Header, history.WithClock(clock))
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range rec.Events {
		now.Store(int64(e.At))
		w.Event(e)
	}
	for _, r := range rec.Requests {
		w.Request(r)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
}
