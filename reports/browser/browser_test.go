// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

// Package browser opens reports in a real browser, Chromium, and looks at them as a
// reader's machine does: what they load, whether they can be read with any eyes, on a
// narrow screen, by keyboard and on paper, and whether they say what report.json says.
// Each of these is a [check]; a page made to fail them shows that each of them can.
//
// Where there is no Chromium, nothing of this is measured, and the tests say so;
// with BLACKOUT_BROWSER=required they fail. They run once, without the race detector,
// which has nothing to find in a browser:
//
//	go test -v ./reports/browser
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is for all that is done in one tab: a busy machine is slow at it.
const patience = 3 * time.Minute

// programs are the names that Chromium goes by.
var programs = []string{"chromium", "chromium-browser", "google-chrome"}

// started is the one browser of these tests, once it was launched.
var started context.Context

// errAbsent says that there is no browser here. One that is there and does not start is a
// failure.
var errAbsent = errors.New("there is no browser")

// launch starts it.
var launch = sync.OnceValues(func() (context.Context, error) {
	path := ""
	for _, name := range programs {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, fmt.Errorf("%w: none of %s", errAbsent, strings.Join(programs, ", "))
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.DisableGPU,
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), // there is no network
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which root cannot have
	}
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator) // TestMain ends it
	if err := chromedp.Do(ctx); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	started = ctx
	return ctx, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if started != nil {
		if err := chromedp.Cancel(started); err != nil {
			fmt.Fprintln(os.Stderr, "end the browser:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// chromium is the browser. A test that cannot have it is left out, or fails.
func chromium(t *testing.T) context.Context {
	t.Helper()
	ctx, err := launch()
	if err == nil {
		return ctx
	}
	if !errors.Is(err, errAbsent) || os.Getenv("BLACKOUT_BROWSER") == "required" {
		t.Fatal(err)
	}
	t.Skipf("NOT MEASURED: %v", err) // on a machine without one; .ci/run installs it and requires it
	return nil
}

// tab is a page in the browser, and what was seen of it from its first request on.
type tab struct {
	ctx context.Context
	url string

	mu       sync.Mutex
	requests []string // URLs, in order
	errors   []string // on the console, and exceptions
}

// open opens a page in a tab of its own, which ends with the test.
func open(t *testing.T, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium(t))
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	o := &tab{ctx: ctx, url: url}
	if err := chromedp.Listen(ctx, o.note); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
	return o
}

// note keeps what a page asks for and complains of.
func (o *tab) note(event any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		o.requests = append(o.requests, e.Request.URL)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			o.errors = append(o.errors, e.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			o.errors = append(o.errors, said(e.Args))
		}
	case *runtime.EventExceptionThrown:
		o.errors = append(o.errors, (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	}
}

// said is what was handed to the console.
func said(args []*runtime.RemoteObject) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = string(a.Value)
		if len(a.Value) == 0 {
			words[i] = a.Description
		}
	}
	return strings.Join(words, " ")
}

// asked are the requests so far.
func (o *tab) asked() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.requests)
}

// complained are the errors so far.
func (o *tab) complained() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.errors)
}

// evaluate is what an expression comes to in the page.
func evaluate[T any](o *tab, expression string) (T, error) {
	value, err := chromedp.Run(o.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		return value, fmt.Errorf("evaluate in %s: %w", o.url, err)
	}
	return value, nil
}
