// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports/slo"
)

// The hour: four data planes are sent a thousand requests a second together; from its
// twentieth to its fortieth minute they are cut off from their control plane, and for two
// seconds of that one of them answers nobody.
const (
	hourPlanes   = 4
	hourInterval = hourPlanes * time.Millisecond
	hourLasts    = time.Hour
	hourRequests = int(hourLasts / time.Millisecond)
	hourCut      = 20 * time.Minute
	hourHealed   = 40 * time.Minute
)

// The goals: from the files of the recording to those of the report.
const (
	hourSeconds = 5.0
	hourMB      = 400.0 // of memory at most, the loaded recording and the program included
)

func plane(i int) string { return fmt.Sprintf("dp-%d", i+1) }

// hourHeader names the nodes and streams of the hour.
func hourHeader() history.Header {
	h := header("hour")
	h.Nodes, h.Streams = h.Nodes[:1], nil
	for i := range hourPlanes {
		h.Nodes = append(h.Nodes, history.Node{Name: plane(i), Role: roleDataPlane, Import: true})
		h.Streams = append(h.Streams, history.Stream{Name: plane(i) + "/alive", Node: plane(i), Interval: hourInterval, Timeout: time.Second, Workers: 316})
	}
	h.Nodes = append(h.Nodes, history.Node{Name: "store", Role: "store"})
	return h
}

// hourEvents are what befalls the nodes, and what meters and clocks say every second.
func hourEvents() []history.Event {
	at := func(d time.Duration) history.Time { return history.Time(d) }
	events := []history.Event{
		{At: 1, Kind: history.PhaseBegin, Text: "steady"},
		{At: 2, Kind: history.ChangeSent, Generation: 1},
		{At: 3, Kind: history.ChangeAcked, Generation: 1, Code: 201},
	}
	for i := range hourPlanes {
		name, edge, n := plane(i), plane(i)+">cp", history.Time(i)
		events = append(events,
			history.Event{At: 10 + n, Kind: history.NodeStart, Node: name},
			history.Event{At: 20 + n, Kind: history.ReadyChange, Node: name, Code: 200},
			history.Event{At: 30 + n, Kind: history.ServeChange, Node: name, Code: 200, Generation: 1},
			history.Event{At: hourDue(i), Kind: history.TrafficBegin, Node: name, Stream: i},
			history.Event{At: at(hourCut) + n, Kind: history.FaultInject, Edge: edge, Text: "reset", Fault: i + 1},
			history.Event{At: at(hourCut) + 100 + n, Kind: history.FaultActive, Edge: edge, Text: "reset", Fault: i + 1},
			history.Event{At: at(hourCut) + 200 + n, Kind: history.FaultWitness, Edge: edge, Text: "a probe fails", OK: true, Fault: i + 1},
			history.Event{At: at(hourHealed) + n, Kind: history.FaultHeal, Edge: edge, Fault: i + 1},
			history.Event{At: at(hourHealed) + 100 + n, Kind: history.FaultHealed, Edge: edge, Fault: i + 1},
			history.Event{At: at(hourHealed) + 200 + n, Kind: history.HealWitness, Edge: edge, Text: "a probe works", OK: true, Fault: i + 1},
			history.Event{At: at(hourLasts) + n, Kind: history.TrafficEnd, Node: name, Stream: i})
	}
	for second := range int(hourLasts / time.Second) {
		t := at(time.Duration(second)*time.Second + 500*time.Millisecond)
		events = append(events, history.Event{At: t, Kind: history.ClockSample, Wall: 1_772_366_400_000_000_000 + int64(t)})
		for i := range hourPlanes {
			events = append(events, history.Event{At: t + history.Time(i), Kind: history.EdgeConnect, Node: plane(i), Edge: plane(i) + ">cp"},
				history.Event{At: t + 100 + history.Time(i), Kind: history.EdgeBytes, Edge: plane(i) + ">cp", Offered: int64(second) * 900})
		}
	}
	slices.SortStableFunc(events, func(a, b history.Event) int { return cmp.Compare(a.At, b.At) })
	return append(events, history.Event{At: at(hourLasts) + 100, Kind: history.RunEnd, OK: true})
}

// hourDue is when the i-th request of the hour is due.
func hourDue(i int) history.Time { return history.Time(i)*history.Time(time.Millisecond) + 100 }

// hourRequest is that request.
func hourRequest(i int, random *rand.Rand) history.Request {
	q := history.Request{Intended: hourDue(i), Stream: uint16(i % hourPlanes), Status: 200, Generation: 1}
	q.Sent = q.Intended + history.Time(60_000*random.ExpFloat64())
	q.Done = q.Sent + history.Time(float64(time.Millisecond)*math.Exp(0.3*random.NormFloat64()))
	if failing := q.Intended - history.Time(hourCut); q.Stream == 1 && failing >= 0 && failing < history.Time(2*time.Second) {
		q.Class, q.Status, q.Generation = history.Refused, 0, 0
	}
	return q
}

// hour is the hour's recording. Requests are recorded as they end.
func hour() *history.Recording {
	rec := &history.Recording{Header: hourHeader(), Events: hourEvents(), Requests: make([]history.Request, hourRequests)}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range rec.Requests {
		rec.Requests[i] = hourRequest(i, random)
	}
	slices.SortFunc(rec.Requests, func(a, b history.Request) int { return cmp.Compare(a.Done, b.Done) })
	return rec
}

// hourEnv names the directory in which TestReportHour, in a process of its own, finds the
// recording and leaves the report.
const hourEnv = "BLACKOUT_REPORT_HOUR"

// usage is what took how long, in seconds.
type usage struct{ Load, Judge, Write float64 }

// TestReportHour is what BenchmarkReportHour measures. Without a recording it makes that,
// and nothing else.
func TestReportHour(t *testing.T) {
	dir := os.Getenv(hourEnv)
	if dir == "" {
		t.Skip("BenchmarkReportHour runs it") // it is that benchmark's process, not a test
	}
	if _, err := os.Stat(filepath.Join(dir, "recording")); errors.Is(err, fs.ErrNotExist) {
		record(t, filepath.Join(dir, "recording"), hour())
		return
	}
	var took usage
	began := time.Now()
	lap := func(into *float64) { *into, began = time.Since(began).Seconds(), time.Now() }
	rec, err := history.Load(filepath.Join(dir, "recording"))
	if err != nil {
		t.Fatal(err)
	}
	lap(&took.Load)
	result, err := oracle.Judge(rec, []string{"G10"})
	if err != nil {
		t.Fatal(err)
	}
	lap(&took.Judge)
	doc, err := slo.Read(filepath.Join("..", "fixtures", "slo", "evidence.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, Input{Recording: rec, Result: result, SLO: &doc}); err != nil {
		t.Fatal(err)
	}
	lap(&took.Write)
	measuredAll(t, dir)
	text, err := json.Marshal(took)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("usage", string(text))
}

// measuredAll fails a report in which what costs the most was left out.
func measuredAll(t *testing.T, dir string) {
	t.Helper()
	m, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range m.Objectives {
		switch v.Indicator {
		case "proxy-availability", "client-availability", "latency-ratio", "wrong-configuration":
			if v.Estimate == nil || v.Samples == 0 {
				t.Errorf("%s is %s: %s", v.Name, v.Status, v.Reason)
			}
		}
	}
}

// reportHour runs TestReportHour in a process of its own. The system counts the memory of
// the process that starts another as the other's, so that this one must stay small.
func reportHour(b *testing.B, dir string) (text string, ended *os.ProcessState) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestReportHour$", "-test.v")
	cmd.Env = append(os.Environ(), hourEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v:\n%s", err, out)
	}
	return string(out), cmd.ProcessState
}

// BenchmarkReportHour reads the hour's recording, judges the objectives of an SLO file and
// writes the report in every format, in a process whose memory at its peak (resident, by
// the system's count) has the loaded recording, the program and the oracles in it. What the
// oracles take is not in s/report, but in judge-s; cpu-s is all of the process.
func BenchmarkReportHour(b *testing.B) {
	dir := b.TempDir()
	reportHour(b, dir)
	var all usage
	peak, cpu, runs := 0.0, 0.0, 0.0
	for b.Loop() {
		text, ended := reportHour(b, dir)
		var took usage
		for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
			if line, ok := strings.CutPrefix(lines.Text(), "usage "); ok {
				if err := json.Unmarshal([]byte(line), &took); err != nil {
					b.Fatal(err)
				}
			}
		}
		if took.Write == 0 {
			b.Fatalf("it did not say how long it took:\n%s", text)
		}
		all.Load, all.Judge, all.Write = all.Load+took.Load, all.Judge+took.Judge, all.Write+took.Write
		peak = max(peak, peakMB(ended))
		cpu += ended.UserTime().Seconds() + ended.SystemTime().Seconds()
		runs++
	}
	report := (all.Load + all.Write) / runs
	b.ReportMetric(report, "s/report")
	b.ReportMetric(all.Load/runs, "load-s")
	b.ReportMetric(all.Judge/runs, "judge-s")
	b.ReportMetric(cpu/runs, "cpu-s")
	b.ReportMetric(peak, "peak-MB")
	b.Logf("%d requests: %.1f s for a report (goal %.0f), %.0f MB at the peak (goal %.0f)", hourRequests, report, hourSeconds, peak, hourMB)
}

// peakMB is the most memory that an ended process had, in MB.
func peakMB(ended *os.ProcessState) float64 {
	usage, ok := ended.SysUsage().(*syscall.Rusage)
	if !ok {
		return math.NaN()
	}
	bytes := float64(usage.Maxrss) * 1024
	if runtime.GOOS == "darwin" {
		bytes = float64(usage.Maxrss)
	}
	return bytes / 1e6
}
