// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/harness/plan"
	"blackout/harness/run"
	"blackout/reports"
)

// judged is a run of which G1 held, G4 is violated by its first clause, and G10
// was not measured.
func judged() run.Result {
	return run.Result{
		ID: "r1", Engine: "local", Dir: "/runs/r1", Plan: plan.Plan{Scenario: "outage", Seed: 7},
		Oracle: oracle.Result{Verdicts: []oracle.Verdict{
			{Promise: "G1", Status: oracle.Held, Clauses: []oracle.Clause{{ID: "G1.1", Status: oracle.Held, Opportunities: 3}}},
			{Promise: "G4", Status: oracle.Violated, Clauses: []oracle.Clause{
				{ID: "G4.1", Status: oracle.Violated, Reason: "dp-1 gave up", Evidence: []oracle.Evidence{{At: 2_500_000_000, Node: "dp-1", Text: "dp-1 tried last"}}},
				{ID: "G4.2", Status: oracle.Held},
			}},
			{Promise: "G10", Status: oracle.NotMeasured, Clauses: []oracle.Clause{{ID: "G10.1", Status: oracle.NotMeasured, Reason: "no traffic was sent"}}},
		}},
	}
}

// good is a run that held all.
func good() run.Result {
	r := judged()
	r.Oracle.Verdicts = r.Oracle.Verdicts[:1]
	return r
}

const second = history.Time(1e9)

// recorded is a run in which dp-1's link to the control plane was reset from
// second 2 to 4, and refused, unseen, from second 6 on.
func recorded() *history.Recording {
	const edge = "dp-1>cp"
	rec := &history.Recording{Header: history.Header{
		Run: "r1", Scenario: "outage", Engine: "local", Seed: 7,
		Nodes:   []history.Node{{Name: "cp"}, {Name: "dp-1"}, {Name: "dp-2"}},
		Streams: []history.Stream{{Node: "dp-1"}, {Node: "dp-2"}},
	}}
	rec.Events = []history.Event{
		{At: second, Kind: history.ServeChange, Node: "dp-1", Code: 200, Generation: 1},
		{At: 2 * second, Kind: history.FaultInject, Edge: edge, Fault: 1, Text: "reset"},
		{At: 2*second + 1, Kind: history.FaultWitness, Edge: edge, Fault: 1, OK: true, Text: "a probe was reset"},
		{At: 3 * second, Kind: history.EdgeConnect, Edge: edge, Node: "dp-1"},
		{At: 3 * second, Kind: history.EdgeConnect, Edge: edge, Node: "witness"},
		{At: 3 * second, Kind: history.StoreRequest, Node: "dp-1", Text: "GET bucket/config.json", Code: 403},
		{At: 3 * second, Kind: history.StoreRequest, Node: "dp-1", Text: "HEAD bucket/config.json", Code: 200},
		{At: 4 * second, Kind: history.FaultHealed, Edge: edge, Fault: 1},
		{At: 4*second + 1, Kind: history.HealWitness, Edge: edge, Fault: 1, OK: true, Text: "a probe was answered"},
		{At: 5 * second, Kind: history.ServeChange, Node: "dp-1", Code: 200, Generation: 2},
		{At: 6 * second, Kind: history.FaultInject, Edge: edge, Fault: 2, Text: "exit"},
		{At: 7 * second, Kind: history.FaultWitness, Edge: edge, Fault: 2, Text: "a probe was answered"},
	}
	rec.Requests = []history.Request{
		{Intended: second, Class: history.Refused, Stream: 0},
		{Intended: 3 * second, Class: history.Good, Generation: 1, Stream: 0},
		{Intended: 3 * second, Class: history.WrongStatus, Status: 503, Stream: 1},
		{Intended: 3*second + 1, Class: history.Good, Flags: history.Masked, Stream: 1},
	}
	return rec
}

// healedOnly is recorded without its second fault.
func healedOnly() *history.Recording {
	rec := recorded()
	rec.Events = rec.Events[:10]
	return rec
}

const of, ofRec = "run r1 (outage on local, seed 7)", "the recording of run r1 (outage on local, seed 7)"

// TestMatchers: what matches, what does not, and what is said of each.
func TestMatchers(t *testing.T) {
	t.Parallel()
	notCarriedOut := good()
	notCarriedOut.Invalid, notCarriedOut.Err = true, fault.ErrNotWitnessed
	for name, c := range map[string]struct {
		actual  any
		matcher types.GomegaMatcher
		ok      bool
		says    string // the message: why it failed or, if it matched, why NotTo would
	}{
		"holds all":         {good(), Hold(), true, "Expected " + of + "\nnot to hold every promise,\nbut G1 is HELD\nsee /runs/r1/report.html"},
		"holds one":         {judged(), Hold("G1", "G4.2"), true, "not to hold G1 and G4.2,\nbut G1 is HELD\nand G4.2 is HELD\n"},
		"does not hold all": {judged(), Hold(), false, "Expected " + of + "\nto hold every promise,\nbut G4 is VIOLATED: G4.1, dp-1 gave up\n    at 2.500 s: dp-1 tried last\nand G10 is NOT MEASURED: G10.1, no traffic was sent\nsee /runs/r1/report.html"},
		"holds in vain":     {notCarriedOut, Hold("G1"), false, "to hold G1,\nbut its experiment could not be judged: " + fault.ErrNotWitnessed.Error()},
		"of a pointer":      {&notCarriedOut, HaveStatus(oracle.Held), false, "to be HELD,\nbut its experiment"},

		"violates":           {judged(), Violate("G4", "G4.1"), true, "not to violate G4 and G4.1,\nbut G4 is VIOLATED"},
		"does not violate":   {judged(), Violate("G1"), false, "to violate G1,\nbut G1 is HELD"},
		"violates only":      {judged(), ViolateOnly("G4", "G4.1"), true, "not to violate G4 alone, by clause G4.1,\nbut it violates G4, and G4.1 is VIOLATED: dp-1 gave up\n    at 2.500 s: dp-1 tried last"},
		"violates otherwise": {judged(), ViolateOnly("G4", "G4.2"), false, "but it violates G4, and G4.2 is HELD"},
		"violates also":      {judged(), ViolateOnly("G4", "G4.1", "G1.1"), true, "not to violate G4 alone, by clause G4.1,\nbut it violates G4, and G4.1 is VIOLATED: dp-1 gave up"},
		"violates nothing":   {good(), ViolateOnly("G1", "G1.1"), false, "but it violates no promise, and G1.1 is HELD"},
		"nothing to show": {oracle.Verdict{Promise: "G3", Status: oracle.Violated, Clauses: []oracle.Clause{{ID: "G3.1", Status: oracle.Violated, Reason: "so it is"}}},
			Violate(), false, "Expected promise G3\nto violate every promise,\nbut G3 is VIOLATED: G3.1, so it is, without an event to show for it"},
		"status of a verdict": {judged().Oracle.Verdicts[2], HaveStatus(oracle.NotMeasured), true, "Expected promise G10\nnot to be NOT MEASURED,\nbut G10 is NOT MEASURED"},
		"status of a result":  {judged().Oracle, HaveStatus(oracle.Invalid), false, "Expected the judged recording\nto be INVALID,\nbut G1 is HELD\nand G4"},

		"exits":          {program(4), ExitWith(4), true, "Expected blackout run\nnot to exit with 4,\nbut it exited with 4"},
		"exits with one": {program(1), ExitWith(4), false, "Expected blackout run\nto exit with 4,\nbut it exited with 1"},

		"witnessed":        {recorded(), HaveWitnessed(fault.Reset, "dp-1>cp"), true, "Expected " + ofRec + "\nnot to have witnessed reset on dp-1>cp, and its healing,\nbut it saw a probe was reset, and then a probe was answered"},
		"not in force":     {recorded(), HaveWitnessed(fault.Exit, "dp-1>cp"), false, "but it was not in force: a probe was answered"},
		"nobody looked":    {cutShort(), HaveWitnessed(fault.Reset, "dp-1>cp"), false, "but it was not seen healed: nobody looked"},
		"no such fault":    {recorded(), HaveWitnessed(fault.Pause, "dp-1"), false, "but there was no such fault; injected were reset on dp-1>cp and exit on dp-1>cp"},
		"served":           {healedOnly(), HaveServedThroughout("dp-1", "dp-1>cp"), true, "not to have served on dp-1 throughout the fault of dp-1>cp,\nbut 0 of 1 requests were lost"},
		"lost":             {healedOnly(), HaveServedThroughout("dp-2", "dp-1>cp"), false, "but 2 of 2 requests were lost\n    at 3.000 s: status 503\n    at 3.000 s: a failure that the client hid by sending the request again"},
		"generation":       {recorded(), HaveServed("dp-1", 1), true, "not to have served generation 1 on dp-1,\nbut it was seen to answer\n    at 1.000 s: generation 1\n    at 5.000 s: generation 2"},
		"no generation":    {recorded(), HaveServed("dp-1", 3), false, "to have served generation 3 on dp-1,\nbut it was seen"},
		"at the end":       {recorded(), EndServing("dp-1", 2), true, "not to end with dp-1 serving generation 2"},
		"before the end":   {recorded(), EndServing("dp-1", 1), false, "to end with dp-1 serving generation 1"},
		"read once":        {recorded(), HaveReadStoreAtMost("dp-1", 1), true, "not to have read the store at most once as dp-1,\nbut it read once\n    at 3.000 s: GET bucket/config.json, status 403"},
		"read nothing":     {recorded(), HaveReadStoreAtMost("dp-2", 0), true, "but it read 0 times"},
		"read too often":   {recorded(), HaveReadStoreAtMost("dp-1", 0), false, "to have read the store at most 0 times as dp-1,\nbut it read once"},
		"tried":            {recorded(), HaveTried("dp-1>cp", 1), true, "not to have tried dp-1>cp at least once,\nbut it tried once\n    at 3.000 s"},
		"tried too little": {recorded(), HaveTried("dp-1>cp", 2), false, "to have tried dp-1>cp at least 2 times,\nbut it tried once"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ok, err := c.matcher.Match(c.actual)
			if err != nil || ok != c.ok {
				t.Fatalf("matched: %v, %v", ok, err)
			}
			said := c.matcher.FailureMessage(c.actual)
			if ok {
				said = c.matcher.NegatedFailureMessage(c.actual)
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("said\n%s\nwhich lacks\n%s", said, c.says)
			}
		})
	}
}

// cutShort is recorded up to the healing of its first fault, which nobody looked at.
func cutShort() *history.Recording {
	rec := recorded()
	rec.Events = rec.Events[:8]
	return rec
}

// program is one that ended with an exit code.
type program int

func (p program) ExitCode() int { return int(p) }
func (program) String() string  { return "blackout run" }

// TestNotMeasured: what nobody saw is neither so nor not so.
func TestNotMeasured(t *testing.T) {
	t.Parallel()
	silent := recorded()
	silent.Events = silent.Events[1:5]
	for name, c := range map[string]struct {
		actual  any
		matcher types.GomegaMatcher
		says    string
	}{
		"no run":                {7, Hold(), "int is no finished run"},
		"no result":             {(*run.Result)(nil), Hold(), "*run.Result is no finished run"},
		"no recording":          {(*history.Recording)(nil), HaveServed("dp-1", 1), "is no finished run"},
		"nothing judged":        {run.Result{}, Hold(), "it has no verdicts"},
		"a recording":           {recorded(), Hold(), "it has no verdicts: judge it with oracle.Judge"},
		"another promise":       {judged(), Hold("G7"), "nobody judged G7: judged were G1, G4 and G10 and their clauses"},
		"another clause":        {judged(), ViolateOnly("G4", "G4.9"), "nobody judged G4.9"},
		"a verdict alone":       {oracle.Verdict{Promise: "G1"}, HaveServed("dp-1", 1), "it has no recording"},
		"no program":            {"blackout", ExitWith(0), "string is no program that has ended"},
		"a lost recording":      {judged(), HaveServed("dp-1", 1), "expected " + of + " to have served generation 1 on dp-1, which cannot be told: load recording"},
		"served what":           {silent, EndServing("dp-1", 1), "nobody looked at what dp-1 serves"},
		"served by whom":        {recorded(), HaveServed("dp1", 1), "there is no node dp1: the nodes are cp, dp-1 and dp-2"},
		"served during what":    {recorded(), HaveServedThroughout("dp-1", "dp-2>cp"), "dp-2>cp had no fault; injected were reset on dp-1>cp and exit on dp-1>cp"},
		"served when":           {recorded(), HaveServedThroughout("dp-1", "dp-1>cp"), "exit on dp-1>cp was not witnessed: a probe was answered"},
		"served, never asked":   {healedOnly(), HaveServedThroughout("cp", "dp-1>cp"), "no request was sent to cp while dp-1>cp had a fault"},
		"served, misspelt":      {healedOnly(), HaveServedThroughout("dp1", "dp-1>cp"), "there is no node dp1"},
		"read, nobody recorded": {silent, HaveReadStoreAtMost("dp-1", 0), "no request to the store was recorded, of nobody"},
		"read by whom":          {recorded(), HaveReadStoreAtMost("dp1", 0), "there is no node dp1"},
		"tried by whom":         {recorded(), HaveTried("dp1>cp", 1), "there is no node dp1"},
		"no directory":          {Dir("/no/such/run"), Hold(), "read the report of a finished run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ok, err := c.matcher.Match(c.actual)
			if ok || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("matched: %v, error %v, want one with %q", ok, err, c.says)
			}
		})
	}
}

// TestEventuallyDoesNotWait: a finished run stays as it is.
func TestEventuallyDoesNotWait(t *testing.T) {
	t.Parallel()
	said := ""
	g := gomega.NewGomega(func(message string, _ ...int) { said = message })
	//nolint:ginkgolinter // that Eventually does not go on asking for a value is what is tested
	g.Eventually(judged()).WithTimeout(time.Hour).Should(Hold("G4"))
	if !strings.Contains(said, "to hold G4") {
		t.Errorf("said %q", said)
	}
}

// TestDir: a run's directory answers for its report and its recording.
func TestDir(t *testing.T) {
	t.Parallel()
	recordings, err := filepath.Glob(filepath.Join("..", "..", "fixtures", "recordings", "*"))
	if err != nil || len(recordings) == 0 {
		t.Fatalf("no recording: %v", err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "recording"), os.DirFS(recordings[0])); err != nil {
		t.Fatal(err)
	}
	rec, err := history.Load(recordings[0])
	if err != nil {
		t.Fatal(err)
	}
	result, err := oracle.Judge(rec, []string{"G10"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reports.Write(dir, reports.Input{Recording: rec, Result: result}); err != nil {
		t.Fatal(err)
	}
	g := gomega.NewWithT(t)
	g.Expect(Dir(dir)).To(Hold("G10.1"))
	g.Expect(Dir(dir)).To(HaveServed(rec.Header.Streams[0].Node, 1))
	g.Expect(Hold("G4").Match(Dir(dir))).Error().To(gomega.MatchError(gomega.ContainSubstring("nobody judged G4: judged were G10 and their clauses")))
}
