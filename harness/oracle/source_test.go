// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/harness/history"
)

// TestUnreadableRecordings are errors, and no verdicts.
func TestUnreadableRecordings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ events, requests, says string }{
		"a broken event":      {"{\"schema\":2}\n{\n", "", "events.jsonl:2"},
		"a request of nobody": {"{\"schema\":2}\n", strings.Repeat("\x01", history.RequestSize), "names stream"},
	} {
		dir := t.TempDir()
		for file, content := range map[string]string{"events.jsonl": c.events, "requests.bin": c.requests} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		source, err := history.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if result, err := JudgeSource(source, Promises()); err == nil || !strings.Contains(err.Error(), c.says) || len(result.Verdicts) > 0 {
			t.Errorf("%s: %d verdicts, %v; want an error with %q", name, len(result.Verdicts), err, c.says)
		}
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRecordingSaysWhatIsAsked: without promises named, those of the header are
// judged, with its exercises.
func TestRecordingSaysWhatIsAsked(t *testing.T) {
	t.Parallel()
	rec := goodRun()
	rec.Header.Promises, rec.Header.Exercises = []string{"G13", "G1"}, []string{"G1.4"}
	result, err := Judge(rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Verdicts) != 2 || result.Verdicts[0].Status != Held || result.Verdicts[1].Promise != "G1" || result.Verdicts[1].Status != NotMeasured {
		t.Errorf("%+v", result.Verdicts)
	}
}
