// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/harness/run"
	"blackout/reports"
)

// left is the directory of a run with its recording and its reports, in which the
// promises came to these verdicts.
func left(t *testing.T, dir, name string, verdicts ...oracle.Verdict) string {
	t.Helper()
	dir = filepath.Join(dir, name)
	w, err := history.Create(filepath.Join(dir, "recording"), history.Header{Run: name, Scenario: scenario, Seed: 7, Engine: "local"})
	if err != nil {
		t.Fatal(err)
	}
	w.Event(history.Event{Kind: history.RunEnd, OK: true})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	rec, err := history.Load(filepath.Join(dir, "recording"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = reports.Write(dir, reports.Input{Recording: rec, Result: oracle.Result{
		Validity: []oracle.Check{{Name: "all", OK: true}}, Verdicts: verdicts,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// verdict is a promise of one clause.
func verdict(promise string, status oracle.Status) oracle.Verdict {
	return oracle.Verdict{Promise: promise, Status: status, Clauses: []oracle.Clause{{ID: promise + ".1", Status: status, Opportunities: 1}}}
}

// TestSignAndVerify: from a key to a refusal, by the command line alone.
func TestSignAndVerify(t *testing.T) {
	t.Parallel()
	dir := left(t, t.TempDir(), "run-1", verdict("G1", oracle.Violated))
	key := filepath.Join(t.TempDir(), "key.pem")
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"report", "key", key}, []string{"private      " + key}},
		{[]string{"report", "sign", dir, "--key", key}, []string{"outcome      VIOLATED", "covers       ", "signed: " + dir}},
		{[]string{"report", "verify", dir, "--key", key + ".pub"}, []string{"run          run-1: " + scenario + ", seed 7", "outcome      VIOLATED", "verified: " + dir}},
	} {
		o := blackout(t, c.args...)
		if o.code != run.ExitHeld || o.errors != "" {
			t.Fatalf("%v: %+v", c.args, o)
		}
		for _, want := range c.says {
			if !strings.Contains(o.out, want) {
				t.Errorf("%v said\n%swithout %q", c.args, o.out, want)
			}
		}
	}
	secret, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	statement, err := os.ReadFile(filepath.Join(dir, "statement.intoto.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(statement), strings.Split(string(secret), "\n")[1]) {
		t.Error("the private key is in the statement")
	}
	if err := os.WriteFile(filepath.Join(dir, "report.md"), []byte("HELD\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := blackout(t, "report", "verify", dir, "--key", key+".pub")
	if o.code != run.ExitViolated || o.out != "" || !strings.Contains(o.errors, "report.md was altered") || strings.Count(o.errors, "\n") != 1 {
		t.Errorf("an altered file: %+v", o)
	}
}

// TestReportUsage: a command line that makes no sense ends with 64 and one line.
func TestReportUsage(t *testing.T) {
	t.Parallel()
	dir := left(t, t.TempDir(), "run-1")
	key := filepath.Join(t.TempDir(), "key.pem")
	if o := blackout(t, "report", "key", key); o.code != run.ExitHeld {
		t.Fatalf("%+v", o)
	}
	open := filepath.Join(t.TempDir(), "open.pem")
	content, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(open, content, 0o644); err != nil { // #nosec G306 -- it is what is refused
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"key: no file":       {[]string{"report", "key"}, "name one file"},
		"key: there is one":  {[]string{"report", "key", key}, "file exists"},
		"sign: no key":       {[]string{"report", "sign", dir}, "--key"},
		"sign: no directory": {[]string{"report", "sign", "--key", key}, "one run's directory"},
		"sign: nothing":      {[]string{"report", "sign", t.TempDir(), "--key", key}, "report.json"},
		"sign: public key":   {[]string{"report", "sign", dir, "--key", key + ".pub"}, "public key"},
		"sign: open key":     {[]string{"report", "sign", dir, "--key", open}, "chmod 600"},
		"verify: no key":     {[]string{"report", "verify", dir}, "--key"},
		"verify: key":        {[]string{"report", "verify", dir, "--key", key}, "private key"},
		"verify: nowhere":    {[]string{"report", "verify", dir + "x", "--key", key + ".pub"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := blackout(t, c.args...)
			if o.code != run.ExitUsage || strings.Count(o.errors, "\n") != 1 || !strings.Contains(o.errors, c.says) {
				t.Errorf("%+v, want one line that says %q", o, c.says)
			}
		})
	}
}

// TestEvidenceDocument: the commands that docs/evidence.md shows do what it says, one
// after the other.
func TestEvidenceDocument(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, status := range map[string]oracle.Status{"RUN": oracle.Held, "OTHER": oracle.Held} {
		left(t, filepath.Join(dir, "reports", "out"), name, verdict("G1", status))
	}
	var commands []string
	for _, line := range regexp.MustCompile(`(?m)^bin/blackout (.*)$`).FindAllStringSubmatch(document(t, "docs", "evidence.md"), -1) {
		command, _, _ := strings.Cut(line[1], " #")
		commands = append(commands, strings.Fields(command)[1])
		args := strings.Fields(command)
		for i, word := range args {
			if strings.HasPrefix(word, "reports/") || strings.HasPrefix(word, "release") {
				args[i] = filepath.Join(dir, word)
			}
		}
		if o := blackout(t, args...); o.code != run.ExitHeld || o.errors != "" {
			t.Errorf("%q: %+v", line[0], o)
		}
	}
	if want := "[key sign verify compare index]"; fmt.Sprint(commands) != want {
		t.Errorf("it shows %v, want %s", commands, want)
	}
}
