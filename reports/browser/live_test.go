// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package browser

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports"
	"blackout/reports/live"
)

// run is one that goes on: it records again what the kept run recorded.
type run struct {
	t    *testing.T
	kept *history.Recording
	out  *history.Writer
	now  atomic.Int64 // on the run's clock
	dir  string
}

func begin(t *testing.T) *run {
	t.Helper()
	rec, err := history.Load(filepath.Join(runs, "not-proven", "recording"))
	if err != nil {
		t.Fatal(err)
	}
	r := &run{t: t, kept: rec, dir: t.TempDir()}
	start := time.Now()
	clock := history.WithClock(func() time.Time { return start.Add(time.Duration(r.now.Load())) })
	if r.out, err = history.Create(filepath.Join(r.dir, "recording"), rec.Header, clock); err != nil {
		t.Fatal(err)
	}
	return r
}

// goOn records what the kept run recorded in the time that follows.
func (r *run) goOn(d time.Duration) {
	from := history.Time(r.now.Load())
	to := from + history.Time(d)
	for _, e := range r.kept.Events {
		if from <= e.At && e.At < to && e.Kind != history.RunEnd {
			r.now.Store(max(r.now.Load(), int64(e.At)))
			r.out.Event(e)
		}
	}
	for _, q := range r.kept.Requests {
		if from <= q.Done && q.Done < to {
			r.out.Request(q)
		}
	}
	r.now.Store(int64(to))
	r.out.Event(history.Event{Kind: history.ClockSample})
}

// happens records something that the kept run did not, and goes on until that is settled.
func (r *run) happens(e history.Event) {
	r.out.Event(e)
	r.goOn(6 * time.Second)
}

// says records a text that the page shows.
func (r *run) says(text string) {
	r.happens(history.Event{Kind: history.WaitTimeout, Node: "dp-1", Text: text})
}

// report ends the run and writes its report.
func (r *run) report() string {
	r.t.Helper()
	counts := r.out.Counts()
	r.out.Event(history.Event{Kind: history.RunEnd, OK: true, Events: counts.Events, Requests: counts.Requests})
	if err := r.out.Close(); err != nil {
		r.t.Fatal(err)
	}
	in := reports.Input{Exercises: r.kept.Header.Exercises}
	var err error
	if in.Recording, err = history.Load(filepath.Join(r.dir, "recording")); err != nil {
		r.t.Fatal(err)
	}
	if in.Result, err = oracle.Judge(in.Recording, nil); err != nil {
		r.t.Fatal(err)
	}
	dir, _ := written(r.t, in)
	return dir
}

// within waits until a condition holds in the page. The page's policy forbids what
// chromedp.Poll would do.
func within(t *testing.T, o *tab, condition string) {
	t.Helper()
	look := fmt.Sprintf(`new Promise(done => { const look = () => (%s) ? done(true) : setTimeout(look, 20); look(); })`, condition)
	if _, err := evaluate[bool](o, look); err != nil {
		t.Fatalf("%s does not come about: %v", condition, err)
	}
}

// shows is the condition that the page's content has a text.
func shows(text string) string {
	return fmt.Sprintf("document.querySelector('main').textContent.includes(%q)", text)
}

// do evaluates for what it does.
func do(t *testing.T, o *tab, statements string) {
	t.Helper()
	if _, err := evaluate[bool](o, "(() => { "+statements+"; return true })()"); err != nil {
		t.Fatal(err)
	}
}

// holds fails the test for each condition that does not hold in the page.
func holds(t *testing.T, o *tab, conditions map[string]string) {
	t.Helper()
	for what, condition := range conditions {
		if ok, err := evaluate[bool](o, condition); err != nil || !ok {
			t.Errorf("%s: %v, %v", what, ok, err)
		}
	}
}

// serveRun serves a run that goes on.
func serveRun(t *testing.T, r *run) *live.Server {
	t.Helper()
	listener, err := live.Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	server := live.Serve(listener, live.Options{Pause: 10 * time.Millisecond})
	server.Watch(filepath.Join(r.dir, "recording"), reports.Environment{Gateway: "reference gateway"})
	return server
}

// TestLive follows a run from its middle to its report.
func TestLive(t *testing.T) {
	chromium(t)
	r := begin(t)
	r.goOn(8 * time.Second)
	server := serveRun(t, r)
	o := open(t, server.URL())
	within(t, o, "document.documentElement.dataset.version > 0 && document.querySelector('#timeline details') && "+shows("RUNNING"))

	// What a reader has opened, scrolled and put in focus stays so.
	if err := chromedp.Do(o.ctx, chromedp.EmulateViewport(narrow, 800)); err != nil {
		t.Fatal(err)
	}
	do(t, o, `const d = document.querySelector("#timeline details"); d.open = true; window.before = document.querySelector("main");
		const s = document.querySelector("#promises .scroll"); s.focus({preventScroll: true}); s.scrollLeft = 60; scrollTo(0, 700)`)
	r.says("something new")
	within(t, o, shows("something new"))
	holds(t, o, map[string]string{
		"the content was swapped":  `document.querySelector("main") !== before && document.querySelectorAll("main").length === 1`,
		"details stay open":        `document.querySelector("#timeline details").open`,
		"the focus stays":          `document.activeElement === document.querySelector("#promises .scroll")`,
		"a region stays scrolled":  `document.activeElement.scrollLeft === 60`,
		"the page stays scrolled":  `scrollY === 700`,
		"the reader is told":       `document.getElementById("live-status").textContent === "The page follows the run."`,
		"nothing is final":         `document.querySelector(".verdict .word").textContent === "…RUNNING" && document.title.startsWith("RUNNING")`,
		"an icon is not asked for": `document.querySelector("link[rel=icon]").href === "data:,"`,
	})
	r.happens(history.Event{Kind: history.NodeExit, Node: "dp-1", Code: 2})
	within(t, o, `document.querySelector(".verdict .word").textContent === "✗VIOLATED SO FAR"`)
	pause(t, o, r)
	endLive(t, o, r, server)
}

// pause stops the page, and lets it go on.
func pause(t *testing.T, o *tab, r *run) {
	t.Helper()
	do(t, o, `document.getElementById("live-hold").click(); window.version = document.documentElement.dataset.version`)
	r.says("said meanwhile")
	within(t, o, `fetch("/").then(a => a.text()).then(p => { window.page = p; return true }) && window.page?.includes("said meanwhile")`)
	holds(t, o, map[string]string{
		"a page that is held stays":  `document.documentElement.dataset.version === version && !(` + shows("said meanwhile") + ")",
		"the reader is told of that": `document.getElementById("live-status").textContent === "Paused." && document.getElementById("live-hold").ariaPressed === "true"`,
	})
	do(t, o, `document.getElementById("live-hold").click()`)
	within(t, o, shows("said meanwhile"))
}

// endLive ends the run: its report is the last page.
func endLive(t *testing.T, o *tab, r *run, server *live.Server) {
	t.Helper()
	r.goOn(time.Hour)
	dir := r.report()
	if err := server.End(t.Context(), dir); err != nil {
		t.Error(err)
	}
	within(t, o, `document.getElementById("live-status").textContent === "The run has ended: this is its report."`)
	m, err := reports.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if wrong, err := saysVerdict(o, m.Outcome); err != nil || len(wrong) > 0 {
		t.Errorf("the last page: %v, %s", err, list(wrong))
	}
	if wrong, err := noError(o, m.Outcome); err != nil || len(wrong) > 0 {
		t.Errorf("errors: %v, %s", err, list(wrong))
	}
	for _, asked := range o.asked() {
		if !strings.HasPrefix(asked, server.URL()) {
			t.Errorf("it asks for %s", asked)
		}
	}
}

// TestLivePage makes those checks of the live page that hold of it, too.
func TestLivePage(t *testing.T) {
	chromium(t)
	r := begin(t)
	r.goOn(12 * time.Second)
	server := serveRun(t, r)
	for _, c := range checks {
		switch c.name {
		case "loads nothing", "verdict", "paper": // it asks its server, and there is no report.json and no reason to print
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			o := open(t, server.URL())
			within(t, o, "document.documentElement.dataset.version > 0 && "+shows("RUNNING"))
			do(t, o, `document.getElementById("live-hold").click()`) // a check presumes that the page stays
			examine(t, c, o, reports.Outcome{})
		})
	}
	if err := server.End(t.Context(), r.report()); err != nil {
		t.Error(err)
	}
}
