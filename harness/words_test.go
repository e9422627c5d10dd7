// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/plan"
)

// talker is a node that has ended and left this log.
type talker struct {
	stub
	log io.Reader
}

func (t talker) Log(context.Context) (io.ReadCloser, error) { return io.NopCloser(t.log), nil }

// breaks is a log that cannot be read to its end.
type breaks struct{}

func (breaks) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

const secret = "a-long-secret-of-a-node"

func TestLastLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		log        io.Reader
		begin, end string
	}{
		"nothing":           {strings.NewReader(" \n\n"), history.WroteNothing, ""},
		"of several":        {strings.NewReader("first\nlast\n\n"), "last", "last"},
		"not ended":         {strings.NewReader("first\nlast"), "last", "last"},
		"a long one":        {strings.NewReader("first\n" + strings.Repeat("x", maxRead+9) + "\n"), "xxxx", "… (cut)"},
		"after a long one":  {strings.NewReader(strings.Repeat("x", maxRead+9) + "\nlast\n"), "last", "last"},
		"cut in a letter":   {strings.NewReader("x" + strings.Repeat("é", maxSaid)), "xé", "é… (cut)"},
		"a secret":          {strings.NewReader("key " + secret + "\n"), "key [redacted]", ""},
		"a secret at a cut": {strings.NewReader(strings.Repeat("x", maxSaid-4) + secret), "xxxx", "… (cut)"},
		"not readable":      {io.MultiReader(strings.NewReader("first\n"), breaks{}), "read log of dp-1: unexpected EOF", ""},
	} {
		cluster, _ := recorded(t)
		cluster.rec.Redact(secret)
		got := cluster.lastLine(t.Context(), talker{stub{name: "dp-1", ended: true}, c.log})
		if !strings.HasPrefix(got, c.begin) || !strings.HasSuffix(got, c.end) || !utf8.ValidString(got) || strings.Contains(got, secret[:6]) || len(got) > 2*maxSaid {
			t.Errorf("%s: %.100q, want %q … %q", name, got, c.begin, c.end)
		}
	}
}

// TestNothingShownHoldsASecret: neither what is told of progress nor an error.
func TestNothingShownHoldsASecret(t *testing.T) {
	t.Parallel()
	rec, err := history.Create(t.TempDir(), history.Header{})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var told strings.Builder
	c, err := New(ctx, Setup{Recording: rec, Ledger: &fault.Ledger{}, Abort: cancel, Progress: func(line string) { told.WriteString(line) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{c.key, c.root.password, string(c.identity.Key)} {
		if clean, found := rec.Scrub("it says " + s); !found || strings.Contains(clean, s) {
			t.Errorf("a secret of the run is not looked for: %q", clean)
		}
	}
	rec.Redact(secret)
	c.progress("  it says %s", secret)
	err = c.Do(ctx, plan.Step{Number: 1, Action: betraying{}}, 0)
	if !errors.Is(err, engine.ErrEnded) || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "[redacted]") {
		t.Errorf("error %v", err)
	}
	dead := talker{stub{name: "dp-1", ended: true}, strings.NewReader(secret)}
	if err := c.running(ctx, dead); !errors.Is(err, engine.ErrEnded) || strings.Contains(err.Error(), secret) {
		t.Errorf("error %v", err)
	}
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
	if text := told.String(); strings.Contains(text, secret) || !strings.Contains(text, "it says [redacted]") {
		t.Errorf("told %q", text)
	}
}

// betraying is an action that fails with a secret.
type betraying struct{}

func (betraying) Name() string  { return "betray" }
func (betraying) Title() string { return "betray" }
func (betraying) Do(context.Context, *Cluster) error {
	return fmt.Errorf("%w: %s", engine.ErrEnded, secret)
}

// TestAbridged: what a title lists is there as long as it can be read.
func TestAbridged(t *testing.T) {
	t.Parallel()
	many := make([]string, maxListed+1)
	for i := range many {
		many[i] = fmt.Sprintf("dp-%d", i+1)
	}
	for want, parts := range map[string][]string{
		"": nil, "a": {"a"}, "a, b": {"a", "b"}, strings.Join(many[1:], ", "): many[1:],
		"dp-1, dp-2, dp-3 and 18 more": many,
	} {
		if got := abridged(parts); got != want {
			t.Errorf("%d: %q, want %q", len(parts), got, want)
		}
	}
}
