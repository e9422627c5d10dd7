// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package impostor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/fixtures"
	"blackout/internal/outlet"
)

const (
	// patience bounds what must come about.
	patience = 20 * time.Second
	// impatience is how long a silence is listened to.
	impatience = 2 * time.Second
)

const (
	name  = "dp-1>cp" // of most scripts here
	node  = "6c1b0a3e-0f39-4a1e-9b51-3a8f0c1d2e4f"
	table = `{"_format_version":"3.0","_transform":false,"services":[{"id":"s","name":"probed","path":"/gen/7"}]}`
)

// bench is a server with its log and an identity.
type bench struct {
	t        *testing.T
	server   *Server
	log      *logged
	identity fixtures.Identity
	ask      outlet.Options
}

// logged is what a server has logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newBench(t *testing.T) *bench {
	t.Helper()
	log := &logged{}
	b := &bench{t: t, log: log, server: New(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))), identity: identity(t)}
	t.Cleanup(b.server.CloseAll)
	config, err := b.identity.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	b.ask = outlet.Options{TLS: config, NodeID: node, Hostname: "witness", Version: "3.9.1", Wait: patience}
	return b
}

func identity(t *testing.T) fixtures.Identity {
	t.Helper()
	id, err := fixtures.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// script completes a script with what most tests have in common.
func (b *bench) script(s Script) Script {
	s.Identity = Identity{Certificate: string(b.identity.Certificate), Key: string(b.identity.Key)}
	if s.Listen == "" {
		s.Listen = "127.0.0.1:0"
	}
	return s
}

func (b *bench) open(s Script) (address string) {
	b.t.Helper()
	address, err := b.server.Open(b.t.Context(), name, b.script(s))
	if err != nil {
		b.t.Fatal(err)
	}
	return address
}

// await waits until what the script has seen satisfies ok.
func (b *bench) await(what string, ok func(Record) bool) Record {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		seen, open := b.server.Record(name, 0)
		if open && ok(seen) {
			return seen
		}
		select {
		case <-tick.C:
		case <-limit:
			b.t.Fatalf("%s: the record is %+v", what, seen)
		}
	}
}

// TestModes: what each mode does, seen by a data plane, and what it saw.
func TestModes(t *testing.T) {
	t.Parallel()
	silent := func(upgraded bool, pongs int) func(outlet.Answer) bool {
		return func(a outlet.Answer) bool {
			return a.Silent() && a.Upgraded() == upgraded && (upgraded || a.Status == 0) && a.Pongs == pongs && a.Frame == nil
		}
	}
	pushed := func(want string) func(outlet.Answer) bool {
		return func(a outlet.Answer) bool {
			return a.Err == nil && a.Configuration != nil && a.Frame.Final && sameJSON(string(a.Configuration.Table), want)
		}
	}
	for name, c := range map[string]struct {
		script Script
		wait   time.Duration
		ok     func(outlet.Answer) bool
		saw    func(Connection) bool
	}{
		"normal":      {Script{Mode: Normal, Table: []byte(table)}, patience, pushed(table), func(c Connection) bool { return c.Pushed > c.Introduced && c.Frames >= 1 }},
		"older":       {Script{Mode: Older, Table: []byte(table)}, patience, pushed(table), func(c Connection) bool { return c.Pushed > c.Introduced }},
		"empty":       {Script{Mode: Empty}, patience, pushed(emptyTable), func(c Connection) bool { return c.Pushed > c.Introduced }},
		"no database": {Script{Mode: NoDatabase}, impatience, silent(true, 1), func(c Connection) bool { return c.Introduced > 0 && c.Pushed == 0 && c.Frames == 2 && c.Hash == absent }},
		"silent after TLS": {Script{Mode: SilentTLS}, impatience, silent(false, 0), func(c Connection) bool {
			return c.Handshake > c.At && c.Status == 0 && c.ServerName == fixtures.ClusterName
		}},
		"silent after upgrade": {Script{Mode: SilentUpgrade}, impatience, silent(true, 0), func(c Connection) bool { return c.Frames == 2 && c.Hash == absent && c.Pushed == 0 }},
		"busy": {Script{Mode: Busy, Status: 429, RetryAfter: 1500 * time.Millisecond}, patience,
			func(a outlet.Answer) bool { return a.Err == nil && a.Status == 429 && a.RetryAfter == "2" },
			func(c Connection) bool { return c.Status == 429 && c.Introduced == 0 }},
		"busy, whenever": {Script{Mode: Busy, Status: 503}, patience,
			func(a outlet.Answer) bool { return a.Err == nil && a.Status == 503 && a.RetryAfter == "" },
			func(c Connection) bool { return c.Status == 503 }},
		"oversized": {Script{Mode: Oversized, Table: []byte(table)}, patience, func(a outlet.Answer) bool {
			return a.Err == nil && a.Configuration == nil && a.Frame.Final && a.Frame.Bytes > DefaultBytes && a.Frame.Bytes < DefaultBytes+1<<20
		}, func(c Connection) bool { return c.Introduced > 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			address := b.open(c.script)
			b.ask.Wait = c.wait
			if a := outlet.Ask(t.Context(), address, b.ask); !c.ok(a) {
				t.Errorf("answer %q", a)
			}
			seen := b.await("the connection ends", func(r Record) bool { return len(r.Connections) == 1 && r.Connections[0].End > 0 })
			got := seen.Connections[0]
			if seen.Attempts != 1 || seen.Handshakes != 1 || got.N != 1 || got.End < got.At || seen.Now < got.End || !c.saw(got) {
				t.Errorf("record %+v", seen)
			}
			if c.script.Mode != SilentTLS && (got.Node != node || got.Version != "3.9.1") {
				t.Errorf("it saw node %q of version %q", got.Node, got.Version)
			}
		})
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

func TestPaddedTables(t *testing.T) {
	t.Parallel()
	for table, keys := range map[string]int{`{}`: 1, ` { } `: 1, "{\n\"a\":1}": 2, ` {"a":{},"b":[]}`: 3} {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(padded(json.RawMessage(table), 10), &object); err != nil || len(object) != keys || string(object["_comment"]) != `"xxxxxxxxxx"` {
			t.Errorf("%s becomes %s: %v", table, padded(json.RawMessage(table), 10), err)
		}
	}
}

// TestOversizedIsOneGoodFrame: one that raises its limit gets the table.
func TestOversizedIsOneGoodFrame(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1000, 100_000, 5 << 20} {
		b := newBench(t)
		b.ask.Limit = 2 * size
		a := outlet.Ask(t.Context(), b.open(Script{Mode: Oversized, Table: []byte(table), Bytes: size}), b.ask)
		if a.Configuration == nil || !a.Frame.Final || a.Frame.Bytes <= size {
			t.Fatalf("%d bytes asked for: %s", size, a)
		}
		var got map[string]json.RawMessage
		if err := json.Unmarshal(a.Configuration.Table, &got); err != nil {
			t.Fatal(err)
		}
		delete(got, "_comment")
		if rest, err := json.Marshal(got); err != nil || !sameJSON(string(rest), table) {
			t.Errorf("the table is %s, error %v", rest, err)
		}
	}
}

// TestStrangersAreTurnedAway as a real control plane does it.
func TestStrangersAreTurnedAway(t *testing.T) {
	t.Parallel()
	other, err := identity(t).ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*outlet.Options)
		status int
		why    string
	}{
		"another cluster's": {func(o *outlet.Options) { o.TLS.Certificates = other.Certificates }, 0, "not the cluster's"},
		"no certificate":    {func(o *outlet.Options) { o.TLS.Certificates = nil }, 0, "not the cluster's"},
		"no node_id":        {func(o *outlet.Options) { o.NodeID = "" }, 400, ""},
		"no node_version":   {func(o *outlet.Options) { o.Version = "" }, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			address := b.open(Script{Mode: NoDatabase})
			c.change(&b.ask)
			if a := outlet.Ask(t.Context(), address, b.ask); a.Status != c.status || a.Silent() {
				t.Errorf("answer %q", a)
			}
			seen := b.await("the connection ends", func(r Record) bool { return len(r.Connections) == 1 && r.Connections[0].End > 0 })
			if got := seen.Connections[0]; seen.Upgrades != 0 || got.Status != c.status || !strings.Contains(got.Error, c.why) {
				t.Errorf("record %+v", seen)
			}
		})
	}
}

func TestOtherRequests(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	address := b.open(Script{Mode: NoDatabase})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: b.ask.TLS}}
	defer client.CloseIdleConnections()
	for path, want := range map[string]int{"/": 404, "/v2/outlet": 404, asking(node): 400} { // the last is no upgrade
		res, err := client.Get("https://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, res.StatusCode, want)
		}
	}
}

func asking(node string) string { return outlet.Path + "?node_id=" + node + "&node_version=3.9.1" }

// TestCloseEndsConnections, waits for that, and sets the address free.
func TestCloseEndsConnections(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ask.Wait = patience
	address := b.open(Script{Mode: NoDatabase})
	asked := make(chan outlet.Answer)
	go func() { asked <- outlet.Ask(t.Context(), address, b.ask) }()
	b.await("a data plane is connected", func(r Record) bool { return r.Frames == 2 })
	seen, ok := b.server.Close(name)
	if a := <-asked; a.Silent() || a.Err == nil {
		t.Errorf("after the close: %q", a)
	}
	if !ok || seen.Upgrades != 1 || seen.Connections[0].End == 0 {
		t.Errorf("record %+v", seen)
	}
	if _, ok := b.server.Close(name); ok {
		t.Error("a closed script was closed")
	}
	if again := b.open(Script{Mode: Empty, Listen: address}); again != address {
		t.Errorf("opened at %s, want %s", again, address)
	}
	if seen, _ := b.server.Record(name, 0); seen.Attempts != 0 {
		t.Errorf("a new script begins with %+v", seen)
	}
}

func TestRefusedScripts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	taken := b.open(Script{Mode: NoDatabase})
	foreign := b.script(Script{Mode: Empty})
	foreign.Identity.Key = string(identity(t).Key)
	for what, c := range map[string]struct {
		script Script
		is     error
		text   string
	}{
		"no mode":        {b.script(Script{}), ErrScript, "no-database"},
		"no address":     {Script{Mode: Empty, Identity: foreign.Identity}, ErrScript, "address"},
		"no table":       {b.script(Script{Mode: Older}), ErrScript, "config_table"},
		"null for table": {b.script(Script{Mode: Normal, Table: []byte("null")}), ErrScript, "config_table"},
		"no status":      {b.script(Script{Mode: Busy}), ErrScript, "status 0"},
		"too large":      {b.script(Script{Mode: Oversized, Table: []byte(table), Bytes: largestBytes + 1}), ErrScript, "bytes"},
		"another's key":  {foreign, ErrScript, "cluster certificate and key"},
		"taken address":  {b.script(Script{Mode: Empty, Listen: taken}), nil, "address already in use"},
	} {
		_, err := b.server.Open(t.Context(), "other", c.script)
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error %v", what, err)
		}
		if err != nil && strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: the error shows the key", what)
		}
	}
	if _, err := b.server.Open(t.Context(), name, b.script(Script{Mode: Empty})); !errors.Is(err, ErrOpen) {
		t.Errorf("a name twice: %v", err)
	}
}

// TestIdentityKeepsItsKey, however a script is printed.
func TestIdentityKeepsItsKey(t *testing.T) {
	t.Parallel()
	s := newBench(t).script(Script{Mode: Empty})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, s); strings.Contains(text, "PRIVATE") {
			t.Errorf("%s shows the key", verb)
		}
	}
}

// TestRecordForgetsTheOldest connections, and counts on.
func TestRecordForgetsTheOldest(t *testing.T) {
	t.Parallel()
	r := record{zero: time.Now()}
	for range keep + 5 {
		r.begin().secured("")
	}
	seen := r.after(0)
	if seen.Attempts != keep+5 || seen.Handshakes != keep+5 || len(seen.Connections) != keep || seen.Connections[0].N != 6 {
		t.Errorf("%d attempts, %d handshakes, %d connections", seen.Attempts, seen.Handshakes, len(seen.Connections))
	}
	if late := r.after(keep + 4); len(late.Connections) != 1 || late.Connections[0].N != keep+5 {
		t.Errorf("after the last but one: %+v", late)
	}
}

// TestHandshakesThatFailAreAttempts.
func TestHandshakesThatFailAreAttempts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	address := b.open(Script{Mode: NoDatabase})
	conn, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	seen := b.await("the connection ends", func(r Record) bool { return len(r.Connections) == 1 && r.Connections[0].End > 0 })
	if seen.Attempts != 1 || seen.Handshakes != 0 || !strings.Contains(seen.Connections[0].Error, "TLS handshake") {
		t.Errorf("record %+v", seen)
	}
}
