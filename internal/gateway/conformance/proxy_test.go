// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/admin"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/plugin"
	"blackout/internal/gateway/proxy"
	"blackout/internal/gateway/store"
	"blackout/internal/gateway/storetest"
)

// proxyGoal is the share of the cases in scope that must be answered as the
// recorded data plane did.
const proxyGoal = 0.95

// proxyCase is one line of proxy.jsonl: the setup, or a request with its answer.
type proxyCase struct {
	Kind     string
	Case     string
	Requests []struct {
		Method, Path string
		JSON         json.RawMessage
	}
	Request struct {
		Method, Path  string
		Headers       [][2]string
		Body          string
		BodyRecipe    string `json:"body_recipe"`
		Chunked       bool
		Raw, Recipe   string
		ThenTextFrame string `json:"then_text_frame"`
	}
	Response recordedResponse
}

type recordedResponse struct {
	Status       int
	Reason       string
	Headers      [][2]string
	Body         *string
	UpstreamSaw  map[string]any `json:"upstream_saw"`
	EchoedFrame  string         `json:"echoed_frame_hex"`
	RecordedNote string         `json:"note"`
}

// TestProxy replays what a real Kong 3.9.1 data plane was asked, in order, and
// compares status, reason, headers, body and what the upstream got.
func TestProxy(t *testing.T) {
	t.Parallel()
	cases := readProxy(t)
	if len(cases) < 2 || cases[0].Kind != "setup" {
		t.Fatal("the recording does not begin with its setup")
	}
	bench := newProxyBench(t, cases[0])
	agreed, compared := 0, 0
	outside, known := map[string]int{}, map[string]int{}
	for _, one := range cases[1:] {
		if name := bench.outOfScope(one); name != "" {
			outside[name]++
			continue
		}
		compared++
		difference := bench.replay(t, one)
		switch reason := explainProxy(one, difference); {
		case difference == "":
			agreed++
		case reason != "":
			known[reason]++
		default:
			t.Logf("proxy: %s: %s", one.Case, difference)
		}
	}
	t.Logf("proxy: %d of %d cases in scope agree (%.1f %%)", agreed, compared, percent(agreed, compared))
	for _, reason := range slices.Sorted(maps.Keys(known)) {
		t.Logf("proxy: %d differ: %s", known[reason], reason)
	}
	for _, name := range slices.Sorted(maps.Keys(outside)) {
		t.Logf("proxy: out of scope: %d cases of plugin %s", outside[name], name)
	}
	if compared == 0 || float64(agreed) < proxyGoal*float64(compared) {
		t.Errorf("proxy: %d of %d cases agree, want %.0f %%", agreed, compared, 100*proxyGoal)
	}
}

// explainProxy says why a case has to differ.
func explainProxy(one proxyCase, difference string) string {
	switch {
	case one.Request.Chunked && strings.HasPrefix(one.Request.Path, "/nobuf"):
		return "a chunked request without request_buffering streams on chunked; nginx gives the length if the body has come already"
	case difference == `to the upstream: framing "content-length", recorded "none"`:
		return "net/http sends Content-Length: 0 with a POST, PUT or PATCH without a body"
	case strings.HasPrefix(one.Request.Path, "/termecho"):
		return "the echo of request-termination holds ids, times and names of the node"
	}
	return ""
}

func readProxy(t *testing.T) []proxyCase {
	t.Helper()
	dir := os.Getenv("BLACKOUT_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	file, err := os.Open(filepath.Join(dir, "proxy.jsonl"))
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("BLACKOUT_CORPUS") == "" {
		t.Log("the recordings are not here (BLACKOUT_CORPUS names their directory): replaying the excerpt")
		file, err = os.Open(filepath.Join("..", "..", "..", "fixtures", "conformance", "proxy.jsonl"))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var cases []proxyCase
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var one proxyCase
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, one)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

// proxyBench is the recorded surroundings, with a data plane of ours.
type proxyBench struct {
	address string
	theirs  *strings.Replacer // our ports to the recorded ones
	others  map[string]string // paths of routes to plugins that are out of scope
	routes  map[string]string // ids of routes to their paths
}

func newProxyBench(t *testing.T, setup proxyCase) *proxyBench {
	t.Helper()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, refusing, _ := net.SplitHostPort(closed.Addr().String())
	_ = closed.Close()
	hangsUp := serveRaw(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) })
	echoes := echo(t)
	ours := strings.NewReplacer("28480", echoes, "28499", refusing, "28498", hangsUp)
	b := &proxyBench{others: map[string]string{}, routes: map[string]string{}}
	table := b.configure(t, setup, ours)

	p := proxy.New(proxy.Options{
		Version: "3.9.1", Log: slog.New(slog.DiscardHandler), Resolve: resolveTest,
		Settings: conf.Proxy{AllowDebugHeader: true},
	})
	t.Cleanup(p.Close)
	configuration, err := p.Build(table)
	if err != nil {
		t.Fatal(err)
	}
	p.Use(configuration)
	server := httptest.NewUnstartedServer(p)
	b.address = server.Listener.Addr().String()
	server.Listener = p.Listener(server.Listener)
	server.Config.MaxHeaderBytes = proxy.MaxHeader
	server.Start()
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(b.address)
	b.theirs = strings.NewReplacer(":"+echoes, ":28480", port, "28000")
	return b
}

// resolveTest knows the names of the recording.
func resolveTest(_ context.Context, host string) ([]netip.Addr, error) {
	if strings.HasSuffix(host, ".ok.test") {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// configure sends the setup to a control plane's Admin API and returns what it
// would hand out. Plugins that are out of scope are left out.
func (b *proxyBench) configure(t *testing.T, setup proxyCase, ours *strings.Replacer) *entity.Table {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	handler := admin.New(admin.Options{Store: db, Version: "3.9.1", Log: slog.New(slog.DiscardHandler)})
	for _, request := range setup.Requests {
		if b.leaveOut(t, request.Path, request.JSON) {
			continue
		}
		r := httptest.NewRequest(request.Method, request.Path, strings.NewReader(ours.Replace(string(request.JSON))))
		r.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, r)
		if recorder.Code >= 300 {
			t.Fatalf("%s %s: %d %s", request.Method, request.Path, recorder.Code, recorder.Body)
		}
	}
	snapshot, err := storetest.Export(t.Context(), db, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(snapshot.Table)
	if err != nil {
		t.Fatal(err)
	}
	table, err := entity.ParseTable(raw)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// leaveOut notes routes and their plugins, and reports whether an entity is out
// of scope.
func (b *proxyBench) leaveOut(t *testing.T, path string, text json.RawMessage) bool {
	t.Helper()
	var body struct {
		Name  string
		Paths []string
		Route struct{ ID string }
	}
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatal(err)
	}
	if id, found := strings.CutPrefix(path, "/routes/"); found {
		b.routes[id] = strings.TrimPrefix(body.Paths[0], "~")
	}
	if strings.HasPrefix(path, "/plugins/") && !slices.Contains(plugin.Names(), body.Name) {
		b.others[b.routes[body.Route.ID]] = body.Name
		return true
	}
	return strings.Contains(path, "/basic-auth/") || strings.Contains(path, "/acls/")
}

// outOfScope returns the plugin of the case's route that is out of scope.
func (b *proxyBench) outOfScope(one proxyCase) string {
	path, _, _ := strings.Cut(one.Request.Path, "?")
	longest := ""
	for _, route := range b.routes {
		if strings.HasPrefix(path, route) && len(route) > len(longest) {
			longest = route
		}
	}
	return b.others[longest]
}

// replay sends a request as it was recorded and returns how the answer differs.
func (b *proxyBench) replay(t *testing.T, one proxyCase) string {
	t.Helper()
	conn, err := net.Dial("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	text, method := requestText(t, one)
	if _, err := io.WriteString(conn, text); err != nil {
		return "send: " + err.Error()
	}
	reader := bufio.NewReader(conn)
	have, err := readAnswer(reader, method)
	if err != nil {
		return "read: " + err.Error()
	}
	if one.Request.ThenTextFrame != "" {
		have.frame, err = exchangeFrame(conn, reader, one.Request.ThenTextFrame)
		if err != nil {
			return "frame: " + err.Error()
		}
	}
	return b.compare(one, have)
}
