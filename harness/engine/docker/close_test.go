// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"blackout/harness/engine"
	"blackout/harness/watchdog/owner"
)

func TestSettle(t *testing.T) {
	t.Parallel()
	late := []string{"network late"}
	broken := errors.New("broken")
	type answer struct {
		removed []string
		err     error
	}
	cases := map[string]struct {
		answers []answer // the last one repeats
		took    time.Duration
		fails   error
	}{
		"nothing appears":           {answers: []answer{{}}, took: 3 * time.Second},
		"something after two":       {answers: []answer{{}, {}, {removed: late}, {}}, took: 6 * time.Second},
		"a failed pass":             {answers: []answer{{}, {err: broken}, {}}, took: 5 * time.Second},
		"a broken daemon":           {answers: []answer{{err: broken}}, took: settleLimit, fails: broken},
		"somebody makes and makes":  {answers: []answer{{removed: late}}, took: settleLimit, fails: context.DeadlineExceeded},
		"removed, and then it fell": {answers: []answer{{removed: late, err: broken}, {}}, took: 4 * time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				passes := 0
				start := time.Now()
				err := settle(t.Context(), func(context.Context) ([]string, error) {
					now := c.answers[min(passes, len(c.answers)-1)]
					passes++
					return now.removed, now.err
				})
				if took := time.Since(start); took != c.took || (err != nil) != (c.fails != nil) {
					t.Errorf("took %s, error %v; want %s, error %v", took, err, c.took, c.fails)
				}
				if errors.Is(c.fails, broken) && !errors.Is(err, broken) {
					t.Errorf("error %v, want the reason of the last pass", err)
				}
			})
		})
	}
}

// TestMiscountedNetwork: a network that the daemon refuses to remove stays, and is no
// error of Close, if it is empty, and only then.
func TestMiscountedNetwork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refusal string
		inspect string // what the daemon says of the network
		fails   bool
	}{
		"empty":             {refusal: activeEndpoints, inspect: emptyNetwork},
		"with container":    {refusal: activeEndpoints, inspect: `{"Id":"1","Containers":{"a":{"Name":"b"}}}`, fails: true},
		"of another reason": {refusal: "you may not delete networks", inspect: emptyNetwork, fails: true},
	} {
		daemon := daemonOf(t, refusing(t, c.refusal, c.inspect))
		var told []string
		e := fakeEngine(t, false)
		e.daemon = daemon
		e.options.Progress = func(line string) { told = append(told, line) }
		err := e.Close(testContext(t))
		if (err != nil) != c.fails || c.fails && !strings.Contains(err.Error(), c.refusal) {
			t.Errorf("%s: close: %v, want an error: %t", name, err, c.fails)
		}
		if want := !c.fails; (len(told) == 1 && strings.Contains(told[0], "network r stays: "+ErrMiscounted.Error())) != want {
			t.Errorf("%s: told %q, want the network: %t", name, told, want)
		}
	}
}

const (
	activeEndpoints = "network r id 1 has active endpoints"
	emptyNetwork    = `{"Id":"1","Containers":{}}`
)

// refusing is a daemon with one network, r, of a dead harness, which it refuses to remove.
func refusing(t *testing.T, refusal, inspect string) http.HandlerFunc {
	t.Helper()
	dead, err := owner.Self()
	must(t, err)
	dead.Boot = "an earlier one"
	return func(w http.ResponseWriter, r *http.Request) {
		answer := "[]"
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusForbidden)
			answer = `{"message":"` + refusal + `"}`
		case strings.HasSuffix(r.URL.Path, "/networks"):
			answer = `[{"Id":"1","Name":"r","Labels":{"` + LabelRun + `":"dead","` + LabelOwner + `":"` + dead.String() + `"}}]`
		case strings.HasSuffix(r.URL.Path, "/networks/1"):
			answer = inspect
		case strings.HasSuffix(r.URL.Path, "/volumes"):
			answer = `{"Volumes":[]}`
		}
		_, _ = io.WriteString(w, answer) // the client judges what arrives
	}
}

// TestSweepOfAMiscountedNetwork: of one run, a network that cannot be removed is no
// error, since nothing more can be done; who sweeps after all dead runs is told of it.
func TestSweepOfAMiscountedNetwork(t *testing.T) {
	t.Parallel()
	daemon := daemonOf(t, refusing(t, activeEndpoints, emptyNetwork))
	if removed, err := sweepFor(testContext(t), daemon, "dead"); err != nil || slices.Contains(removed, "network r") {
		t.Errorf("of the run: removed %q, error %v, want neither", removed, err)
	}
	if removed, err := sweepFor(testContext(t), daemon, ""); !errors.Is(err, ErrMiscounted) || slices.Contains(removed, "network r") {
		t.Errorf("of all dead runs: removed %q, error %v, want to be told", removed, err)
	}
}

// fakeDaemon answers like an empty Docker daemon, unless told to fail.
func fakeDaemon(t *testing.T, fails bool) *client.Client {
	t.Helper()
	return daemonOf(t, func(w http.ResponseWriter, r *http.Request) {
		answer := "[]"
		switch {
		case fails:
			w.WriteHeader(http.StatusInternalServerError)
			answer = `{"message":"out of order"}`
		case strings.HasSuffix(r.URL.Path, "/volumes"):
			answer = `{"Volumes":[]}`
		}
		_, _ = io.WriteString(w, answer) // the client judges what arrives
	})
}

// daemonOf is a Docker daemon that answers as the function does.
func daemonOf(t *testing.T, answer http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	daemon, err := client.New(client.WithHost("tcp://"+server.Listener.Addr().String()), client.WithAPIVersion("1.44"))
	must(t, err)
	t.Cleanup(func() { must(t, daemon.Close()) })
	return daemon
}

// fakeProvider makes no containers.
type fakeProvider struct {
	testcontainers.ContainerProvider
}

func (fakeProvider) Close() error { return nil }

func fakeEngine(t *testing.T, fails bool) *Engine {
	t.Helper()
	life, stop := context.WithCancel(t.Context())
	return &Engine{
		options: Options{Run: runID()}, daemon: fakeDaemon(t, fails), containers: fakeProvider{},
		life: life, stop: stop, idle: make(chan struct{}), sites: make(map[string]*site),
	}
}

func TestCallsAreKnownToBeCut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		over bool // its context ends before it does
		late bool // it ends only after the engine's life
		cut  bool
	}{
		{name: "a call that ended"},
		{name: "a call whose context ended", over: true, cut: true},
		{name: "a call under way at Close", late: true, cut: true},
	}
	for _, tt := range tests {
		e := fakeEngine(t, false)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, end, err := e.begin(ctx)
		must(t, err)
		if tt.over {
			cancel()
		}
		if !tt.late {
			end()
		}
		e.shut()
		if tt.late {
			end()
		}
		if e.cut != tt.cut {
			t.Errorf("%s: cut %t, want %t", tt.name, e.cut, tt.cut)
		}
	}
}

func TestCloseTakesItsTimeOnlyAfterACut(t *testing.T) {
	t.Parallel()
	for _, cut := range []bool{false, true} {
		e := fakeEngine(t, false)
		e.cut = cut
		start := time.Now()
		must(t, e.Close(testContext(t)))
		if settled := time.Since(start) >= (quietPasses-1)*quietPause; settled != cut {
			t.Errorf("after a cut (%t) close took %s", cut, time.Since(start))
		}
		start = time.Now()
		must(t, e.Close(testContext(t)))
		if again := time.Since(start); again >= quietPause {
			t.Errorf("the second close took %s, want it to have nothing to wait for", again)
		}
	}
}

func TestCloseDoesNotOutlastItsContext(t *testing.T) {
	t.Parallel()
	e := fakeEngine(t, false)
	_, end, err := e.begin(t.Context())
	must(t, err)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Close(over); !errors.Is(err, context.Canceled) {
		t.Errorf("close while a call hangs: %v, want the end of the context", err)
	}
	if _, _, err := e.begin(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("a call begins after close: %v", err)
	}
	end()
	<-e.idle // or the test's time is up
}

func TestFailedNewSaysWhatItMayHaveLeft(t *testing.T) {
	t.Parallel()
	broken := errors.New("make network: broken")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, fails := range []bool{false, true} {
		err := fakeEngine(t, fails).abandon(over, broken)
		if !errors.Is(err, broken) || errors.Is(err, ErrNotClean) != fails {
			t.Errorf("clean-up fails %t: error %v", fails, err)
		}
	}
}

// A daemon goes on with a request whose sender has hung up.
func TestNewThatIsCutShortLeavesNothing(t *testing.T) {
	t.Parallel()
	needDocker(t)
	run := runID()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
	defer cancel()
	e, err := New(ctx, Options{Run: run})
	if err == nil { // a fast machine
		must(t, e.Close(testContext(t)))
	}
	if errors.Is(err, ErrNotClean) {
		t.Error(err)
	}
	wantNothingLeft(testContext(t), t, run)
}

func TestStartIsRefusedOnceItsContextIsOver(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	place, err := e.Reserve(testContext(t), "a", testProgram(t))
	must(t, err)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	n, err := e.Start(over, place, engine.Process{Args: []string{"exit"}})
	if n != nil || !errors.Is(err, context.Canceled) || errors.Is(err, engine.ErrEnded) || e.cut {
		t.Errorf("node %v, error %v, cut %t; want none, the end of the context, and nothing begun", n, err, e.cut)
	}
}
