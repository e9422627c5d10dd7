// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"blackout/harness"
	"blackout/harness/history"
	"blackout/harness/run"
	"blackout/reports/live"
)

// asProgram makes the test executable behave as the program itself.
const asProgram = "BLACKOUT_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

type outcome struct {
	code        int
	out, errors string
}

// blackout runs the program in a process of its own.
func blackout(t *testing.T, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	// The race detector sleeps for a second at the end of a program otherwise.
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

const scenario = "cp-outage-scale-out"

// write is a file with this content.
func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// planned is a file with a plan of the scenario.
func planned(t *testing.T) string {
	t.Helper()
	return write(t, blackout(t, "plan", scenario, "--seed", "7", "--json").out)
}

// taken is an address that somebody listens on for as long as the test runs.
func taken(t *testing.T) string {
	t.Helper()
	listener, err := live.Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// TestServe: the page is there before anything else is done, and ends with the run,
// here at once.
func TestServe(t *testing.T) {
	t.Parallel()
	o := blackout(t, "run", scenario, "--engine", "local", "--serve", ":0", "--gateway", "/no/such/gateway", "--out", t.TempDir())
	if !regexp.MustCompile(`^live: http://127\.0\.0\.1:[0-9]+/\n$`).MatchString(o.out) || o.code != run.ExitUsage {
		t.Errorf("%+v, want one line that names the page", o)
	}
	if o := blackout(t, "run", scenario, "--engine", "local", "--serve", taken(t), "--out", t.TempDir()); o.out != "" {
		t.Errorf("it said %q and could not serve", o.out)
	}
	if help := blackout(t, "run", "--help").out; !strings.Contains(help, "--serve") || !strings.Contains(help, "port 0") {
		t.Errorf("the help does not tell of --serve:\n%s", help)
	}
}

// TestUsage: a command line that makes no sense ends with 64 and one line that
// names what would.
func TestUsage(t *testing.T) {
	t.Parallel()
	notExecutable := filepath.Join(t.TempDir(), "gateway")
	if err := os.WriteFile(notExecutable, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	local := []string{"run", scenario, "--engine", "local", "--out", t.TempDir()}
	with := func(more ...string) []string { return append(local[:len(local):len(local)], more...) }
	for name, c := range map[string]struct {
		args  []string
		names []string
	}{
		"no such command":          {[]string{"rum"}, []string{`"rum"`, "doctor", "rejudge"}},
		"no such flag":             {[]string{"run", "--sed", "1"}, []string{"--sed", "--seed", "--timers"}},
		"no scenario":              {[]string{"run"}, []string{scenario}},
		"two scenarios":            {[]string{"run", scenario, "x"}, []string{scenario}},
		"unknown scenario":         {[]string{"run", "no-such"}, []string{"no-such", scenario}},
		"unknown engine":           {[]string{"run", scenario, "--engine", "cloud"}, []string{"cloud", "docker", "local", "auto"}},
		"unknown control":          {with("--control", "sabotage"), []string{"sabotage", "noop-cut", "no-traffic"}},
		"unknown timers":           {with("--timers", "slow"), []string{"slow", "fast", "kong"}},
		"unknown store":            {with("--store", "tape"), []string{"tape", "minio", "embedded"}},
		"unknown program":          {with("--image", "kong=x"), []string{"kong", "gateway", "minio"}},
		"unknown defect":           {with("--defect", "no-such"), []string{"no-such", "the defects are"}},
		"seed is a word":           {with("--seed", "seven"), []string{"seven", "whole number"}},
		"seed is negative":         {with("--seed=-1"), []string{"-1", "whole number"}},
		"seed is too large":        {with("--seed", "18446744073709551616"), []string{"18446744073709551615"}},
		"gateway is not there":     {with("--gateway", "/no/such/gateway"), []string{"/no/such/gateway", "executable"}},
		"gateway cannot be run":    {with("--gateway", notExecutable), []string{"executable"}},
		"gateway is empty":         {with("--gateway", ""), []string{"--gateway", "empty"}},
		"image without a name":     {[]string{"run", scenario, "--engine", "docker", "--image", "minio="}, []string{"minio", "no name"}},
		"image on local":           {with("--image", "minio=x"), []string{"minio=x", "--engine docker"}},
		"gateway and defect":       {with("--gateway", "x", "--defect", "y"), []string{"gateway", "defect"}},
		"plan: unknown scenario":   {[]string{"plan", "no-such"}, []string{"no-such", scenario}},
		"plan: unknown timers":     {[]string{"plan", scenario, "--timers", "slow"}, []string{"slow", "fast", "kong"}},
		"plan: bad seed":           {[]string{"plan", scenario, "--seed", "x"}, []string{"whole number"}},
		"plan: over its budget":    {[]string{"plan", scenario, "--budget", "1s"}, []string{"over the budget", "1s"}},
		"run: over its budget":     {with("--budget", "1s"), []string{"over the budget", "1s"}},
		"budget is negative":       {with("--budget", "-1s"), []string{"--budget", "negative"}},
		"budget is a word":         {with("--budget", "soon"), []string{"soon", "--budget"}},
		"timers are empty":         {with("--timers", ""), []string{"--timers", "empty"}},
		"dry run: unknown engine":  {[]string{"run", scenario, "--dry-run", "--engine", "cloud"}, []string{"cloud", "docker", "local", "auto"}},
		"dry run: bad gateway":     {with("--dry-run", "--gateway", notExecutable), []string{"executable"}},
		"dry run: unknown defect":  {with("--dry-run", "--defect", "no-such"), []string{"no-such", "the defects are"}},
		"slo: not there":           {with("--slo", "/no/such/slo.yaml"), []string{"/no/such/slo.yaml"}},
		"slo: empty":               {with("--slo", ""), []string{"--slo", "empty"}},
		"slo: no SLO":              {with("--slo", write(t, "kind: Poem\napiVersion: openslo/v1\n")), []string{"plan.json:1: kind", "Poem", "SLO"}},
		"slo: unknown SLI":         {with("--slo", sloFile(t, "sli: data-plane-rto", "sli: charm")), []string{"slo.yaml:", "charm", "data-plane-rto"}},
		"slo: bad annotation":      {with("--slo", sloFile(t, "blackout/phase: outage", "blackout/fase: outage")), []string{"slo.yaml:", "blackout/fase", "blackout/phase"}},
		"dry run: bad SLO":         {with("--dry-run", "--slo", sloFile(t, "sli: data-plane-rto", "sli: charm")), []string{"charm"}},
		"serve: empty":             {with("--serve", ""), []string{"--serve", "empty"}},
		"serve: no port":           {with("--serve", "8080"), []string{"--serve", "8080", ":PORT"}},
		"serve: to others":         {with("--serve", "0.0.0.0:8080"), []string{"0.0.0.0:8080", "loopback"}},
		"serve: to a name":         {with("--serve", "gateway.example:8080"), []string{"gateway.example", "loopback"}},
		"serve: no such port":      {with("--serve", ":80800"), []string{":80800", "65535"}},
		"serve: taken":             {with("--serve", taken(t)), []string{"--serve", "in use"}},
		"dry run: serve to others": {with("--dry-run", "--serve", "0.0.0.0:8080"), []string{"loopback"}},
		"replay: serve to others":  {[]string{"replay", planned(t), "--serve", "[::]:0"}, []string{"[::]:0", "loopback"}},
		"report: no directory":     {[]string{"report"}, []string{"run's directory"}},
		"report: nothing there":    {[]string{"report", t.TempDir()}, []string{"recording"}},
		"report: empty SLO":        {[]string{"report", t.TempDir(), "--slo", ""}, []string{"--slo"}},
		"shrink takes no SLO":      {[]string{"shrink", planned(t), "--slo", "x"}, []string{"--slo", "--clause"}},
		"replay: no plan":          {[]string{"replay"}, []string{"run's directory"}},
		"replay: two plans":        {[]string{"replay", "a", "b"}, []string{"run's directory"}},
		"replay: nothing there":    {[]string{"replay", t.TempDir()}, []string{"plan.json", "no such file"}},
		"replay: no JSON":          {[]string{"replay", write(t, "seed 7")}, []string{"invalid character"}},
		"replay: newer schema":     {[]string{"replay", write(t, `{"schema": 99, "poem": 1}`)}, []string{"schema 99", "reads schema 1"}},
		"replay: no schema":        {[]string{"replay", write(t, `{"scenario": "x"}`)}, []string{"no schema version"}},
		"replay: unknown field":    {[]string{"replay", write(t, `{"schema": 1, "poem": 1}`)}, []string{"poem"}},
		"replay: unknown action":   {[]string{"replay", write(t, `{"schema": 1, "steps": [{"phase": "bring-up", "do": "pray"}]}`)}, []string{"step 1", "pray", "bring-up, configure"}},
		"replay: unknown timers":   {[]string{"replay", planned(t), "--timers", "slow"}, []string{"slow", "fast", "kong"}},
		"replay: over its budget":  {[]string{"replay", planned(t), "--budget", "1s"}, []string{"over the budget"}},
		"replay takes no seed":     {[]string{"replay", planned(t), "--seed", "7"}, []string{"--seed", "--timers"}},
		"rejudge: nothing there":   {[]string{"rejudge", t.TempDir()}, []string{"recording"}},
		"rejudge: no directory":    {[]string{"rejudge"}, []string{"blackout rejudge", "--promises"}},
		"list takes no arguments":  {[]string{"list", "x"}, []string{"--help"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := blackout(t, c.args...)
			if o.code != run.ExitUsage {
				t.Errorf("exit code %d, want %d", o.code, run.ExitUsage)
			}
			if strings.Count(o.errors, "\n") != 1 || !strings.HasPrefix(o.errors, "blackout: ") {
				t.Errorf("said %q, want one line", o.errors)
			}
			for _, want := range c.names {
				if !strings.Contains(o.errors, want) {
					t.Errorf("said %q, which does not name %q", o.errors, want)
				}
			}
		})
	}
}

func TestPlanIsTheSameForASeed(t *testing.T) {
	t.Parallel()
	for _, form := range [][]string{nil, {"--json"}} {
		args := func(seed string) []string { return append([]string{"plan", scenario, "--seed", seed}, form...) }
		first, again, other := blackout(t, args("7")...), blackout(t, args("7")...), blackout(t, args("8")...)
		if first.code != 0 || first.out == "" || first.errors != "" {
			t.Fatalf("%v: %+v", form, first)
		}
		if first.out != again.out {
			t.Errorf("%v: two plans of one seed differ", form)
		}
		if first.out == other.out {
			t.Errorf("%v: the plans of two seeds are the same", form)
		}
	}
	if o := blackout(t, "plan", scenario, "--seed", "7", "--json"); !json.Valid([]byte(o.out)) {
		t.Error("plan --json is not JSON")
	}
	if a, b := blackout(t, "plan", scenario), blackout(t, "plan", scenario); a.code != 0 || a.out == b.out {
		t.Error("without a seed none is drawn")
	}
}

// TestDryRun: run and replay say the plan that the command plan says, what they
// would do with it, and do nothing.
func TestDryRun(t *testing.T) {
	t.Parallel()
	plan := blackout(t, "plan", scenario, "--seed", "7").out
	out := filepath.Join(t.TempDir(), "out")
	for name, args := range map[string][]string{
		"run":                {"run", scenario, "--seed", "7"},
		"replay":             {"replay", planned(t)},
		"replay a directory": {"replay", filepath.Dir(planned(t))},
	} {
		o := blackout(t, append(args, "--engine", "local", "--dry-run", "--out", out)...)
		if o.code != 0 || o.errors != "" || !strings.HasPrefix(o.out, plan) {
			t.Errorf("%s: %+v, want the plan first", name, o)
		}
		for _, want := range []string{
			"\nengine    local: asked for\n", "\nprogram   gateway: built\n", ", cp, backup, dp-1, dp-2\n", "\nadd       dp-3, dp-4, dp-5\n",
			"\nprobe     dp-1 fresh, every 20ms\n", "\njudge     G1, at least G1.1, G1.2, G1.3\n",
			"\ncommand   bin/blackout " + args[0] + " " + args[1], "nothing was built or started\n",
		} {
			if !strings.Contains(o.out, want) {
				t.Errorf("%s said\n%s\nwithout %q", name, o.out, want)
			}
		}
	}
	if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dry run left %s: %v", out, err)
	}
}

// TestHelpNamesTheControls: all that there are.
func TestHelpNamesTheControls(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"run", "replay"} {
		help := blackout(t, command, "--help").out
		for _, c := range harness.Controls {
			if !strings.Contains(help, string(c)) {
				t.Errorf("the help of %s does not name the control %s", command, c)
			}
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	o := blackout(t, "list")
	if o.code != 0 || !strings.Contains(o.out, scenario) || !strings.Contains(o.out, "G13") || !strings.Contains(o.out, "outage scaleout]") {
		t.Errorf("%+v does not list the scenario, its labels and its promises", o)
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"help"}, {"run", "--help"}, {"replay", "--help"}, {"help", "replay"}, nil} {
		if o := blackout(t, args...); o.code != 0 || o.out == "" || o.errors != "" {
			t.Errorf("%v: %+v", args, o)
		}
	}
}

// TestRejudge judges a recording again: an empty run must never pass.
func TestRejudge(t *testing.T) {
	t.Parallel()
	record := func(scenario string, promises []string, events ...history.Event) string {
		dir := t.TempDir()
		w, err := history.Create(filepath.Join(dir, "recording"), history.Header{
			Run: "r1", Scenario: scenario, Promises: promises, Nodes: []history.Node{{Name: "cp", Role: "control_plane"}},
			Streams: []history.Stream{{Name: "dp-1 fresh", Node: "dp-1", Interval: time.Second, Timeout: time.Second}},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.Request(history.Request{Status: 200, Generation: 1})
		for _, e := range events {
			w.Event(e)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	died := []history.Event{
		{Kind: history.NodeStart, Node: "cp"}, {Kind: history.FaultInject, Edge: "dp-1>cp", Text: "exit"},
		{Kind: history.NodeExit, Node: "cp", Code: 2}, {Kind: history.RunEnd, OK: true, Events: 3, Requests: 1},
	}
	lived := []history.Event{died[0], died[1], {Kind: history.RunEnd, OK: true, Events: 2, Requests: 1}}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"nothing happened":         {[]string{record(scenario, nil)}, run.ExitInvalid, ""},
		"a counterexample":         {[]string{record(scenario, nil, died...)}, run.ExitViolated, ""},
		"another promise":          {[]string{record(scenario, nil, lived...), "--promises", "G1"}, run.ExitNotMeasured, ""},
		"it was asked less":        {[]string{record(scenario, []string{"G1"}, lived...)}, run.ExitNotMeasured, ""},
		"of what nobody asked for": {[]string{record(scenario, []string{"G1"}, died...)}, run.ExitViolated, ""},
		"it was asked enough":      {[]string{record("old", []string{"G13"}, died...)}, run.ExitViolated, ""},
		"unknown promise":          {[]string{record(scenario, nil), "--promises", "G99"}, run.ExitUsage, "G99"},
		"unknown scenario":         {[]string{record("old", nil)}, run.ExitUsage, "--promises"},
		"but the promise is known": {[]string{record("old", nil, died...), "--promises", "G13"}, run.ExitViolated, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := blackout(t, append([]string{"rejudge"}, c.args...)...)
			if o.code != c.code || !strings.Contains(o.errors, c.says) {
				t.Errorf("exit code %d, want %d; said %q", o.code, c.code, o.errors)
			}
		})
	}
}
