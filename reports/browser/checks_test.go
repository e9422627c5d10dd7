// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package browser

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"blackout/reports"
)

// The limits of a readable page.
const (
	narrow    = 320 // CSS pixels: a small telephone, or a wide screen at 400 %
	smallest  = 11  // CSS pixels of text
	mostPages = 6   // of A4
	mostTabs  = 400 // stops of the Tab key
)

// errUnmeasured is returned by a check that cannot be made here.
var errUnmeasured = errors.New("NOT MEASURED")

// check looks at one page, opened anew for it, and says what is wrong with it.
type check struct {
	name string
	of   func(*tab, reports.Outcome) ([]string, error)
}

var checks = []check{
	{"loads nothing", loadsNothing},
	{"no error", noError},
	{"accessible, light", accessible("light")},
	{"accessible, dark", accessible("dark")},
	{"narrow screen", fitsNarrow},
	{"text size", largeEnough},
	{"verdict", saysVerdict},
	{"keyboard", reachable},
	{"paper", printable},
}

// loadsNothing finds requests beside that for the page itself.
func loadsNothing(o *tab, _ reports.Outcome) ([]string, error) {
	// The page's own list is a second witness.
	resources, err := evaluate[[]string](o, `performance.getEntriesByType("resource").map(e => e.name)`)
	if err != nil {
		return nil, err
	}
	requests := o.asked()
	if len(requests) == 0 || requests[0] != o.url {
		return nil, fmt.Errorf("the request for the page itself was not seen, only %q", requests)
	}
	return append(requests[1:], resources...), nil
}

// noError finds errors on the console, and exceptions.
func noError(o *tab, _ reports.Outcome) ([]string, error) {
	if _, err := evaluate[bool](o, "true"); err != nil { // what came before the answer was noted
		return nil, err
	}
	return o.complained(), nil
}

// axePath is where axe-core is.
func axePath() string {
	if path := os.Getenv("BLACKOUT_AXE"); path != "" {
		return path
	}
	return filepath.Join("..", "..", "..", "shared", "vendor", "axe-core-4.14.1.min.js")
}

// axeRun lists the violations of every rule of axe-core, and each one's first element.
const axeRun = `axe.run(document, {resultTypes: ["violations"]}).then(r =>
	r.violations.map(v => v.id + ": " + v.help + ": " + v.nodes.length + " times, first " + v.nodes[0].html.slice(0, 200)))`

// openDetails shows what is folded away.
const openDetails = `document.querySelectorAll("details").forEach(d => { d.open = true })`

// accessible finds violations of axe-core's rules in a colour scheme. The script is
// evaluated past the page's policy, which allows none.
func accessible(scheme string) func(*tab, reports.Outcome) ([]string, error) {
	return func(o *tab, _ reports.Outcome) ([]string, error) {
		axe, err := os.ReadFile(axePath())
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: there is no axe-core at %s (BLACKOUT_AXE names another)", errUnmeasured, axePath())
		}
		if err != nil {
			return nil, err
		}
		if err := prefer(o, scheme); err != nil {
			return nil, err
		}
		if err := chromedp.Do(o.ctx, chromedp.Evaluate[chromedp.Void](openDetails), chromedp.Evaluate[chromedp.Void](string(axe))); err != nil {
			return nil, fmt.Errorf("load axe-core: %w", err)
		}
		return evaluate[[]string](o, axeRun)
	}
}

// prefer makes the reader one who prefers a colour scheme.
func prefer(o *tab, scheme string) error {
	_, err := chromedp.Call(o.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		return fmt.Errorf("prefer %s: %w", scheme, err)
	}
	if ok, err := evaluate[bool](o, fmt.Sprintf(`matchMedia("(prefers-color-scheme: %s)").matches`, scheme)); err != nil || !ok {
		return errors.Join(fmt.Errorf("the page does not see that %s is preferred", scheme), err)
	}
	return nil
}

// onNarrow shows the page on a narrow screen, with everything unfolded.
func onNarrow(o *tab) error {
	return chromedp.Do(o.ctx, chromedp.EmulateViewport(narrow, 800), chromedp.Evaluate[chromedp.Void](openDetails))
}

// fitsNarrow finds whether the document must be scrolled sideways, and what sticks out.
func fitsNarrow(o *tab, _ reports.Outcome) ([]string, error) {
	if err := onNarrow(o); err != nil {
		return nil, err
	}
	width, err := evaluate[int](o, "document.documentElement.scrollWidth")
	if err != nil || width <= narrow {
		return nil, err
	}
	return []string{fmt.Sprintf("the document is %d px wide on a screen of %d px", width, narrow)}, nil
}

// smallTexts lists visible text smaller than %d px as it is drawn.
const smallTexts = `(() => {
	const found = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; n = texts.nextNode();) {
		const e = n.parentElement;
		if (!n.data.trim() || !e.checkVisibility()) continue;
		const scale = e.ownerSVGElement ? e.getScreenCTM().a : 1;
		const size = parseFloat(getComputedStyle(e).fontSize) * scale;
		if (size < %d - 0.01) found.push(size.toFixed(2) + " px: " + n.data.trim().slice(0, 60));
	}
	return found;
})()`

// largeEnough finds text that is too small on a narrow screen.
func largeEnough(o *tab, _ reports.Outcome) ([]string, error) {
	if err := onNarrow(o); err != nil {
		return nil, err
	}
	return evaluate[[]string](o, fmt.Sprintf(smallTexts, smallest))
}

// verdictTexts are the verdict and its sentence as they are read out.
const verdictTexts = `[".verdict .word", ".verdict .sentence"].map(s => {
	const e = document.querySelector(s)?.cloneNode(true);
	e?.querySelectorAll("[aria-hidden]").forEach(h => h.remove());
	return e ? e.textContent : "(there is no " + s + ")";
})`

// saysVerdict compares the page's verdict with report.json's.
func saysVerdict(o *tab, want reports.Outcome) ([]string, error) {
	got, err := evaluate[[]string](o, verdictTexts)
	if err != nil {
		return nil, err
	}
	var wrong []string
	for i, text := range []string{string(want.Status), reports.Plain(want.Sentence)} {
		if got[i] != text {
			wrong = append(wrong, fmt.Sprintf("the page says %q, report.json %q", got[i], text))
		}
	}
	return wrong, nil
}

// findStops remembers, in the page, where the Tab key should stop: the skip link, and
// whatever can be scrolled.
const findStops = `(() => {
	const scrolls = e => {
		const s = getComputedStyle(e);
		return /auto|scroll/.test(s.overflowX) && e.scrollWidth > e.clientWidth || /auto|scroll/.test(s.overflowY) && e.scrollHeight > e.clientHeight;
	};
	window.stops = [...document.body.querySelectorAll("*")].filter(e =>
		e.checkVisibility() && (e.matches(".skip, [role=region][tabindex]") || scrolls(e)));
	return stops.map(e => e.getAttribute("aria-label") || e.className || e.tagName);
})()`

// stopAt is the index of the element in focus among those, -1 for another one, -2 for none.
const stopAt = `document.activeElement === document.body || !document.activeElement ? -2 : stops.indexOf(document.activeElement)`

// reachable walks the page with the Tab key: the skip link comes first and is seen
// when it does, and every region that scrolls is reached, in reading order.
func reachable(o *tab, _ reports.Outcome) ([]string, error) {
	if err := onNarrow(o); err != nil {
		return nil, err
	}
	names, err := evaluate[[]string](o, findStops)
	if err != nil {
		return nil, err
	}
	walked, hidden, err := walk(o)
	if err != nil {
		return nil, err
	}
	var wrong []string
	if len(names) == 0 || names[0] != "skip" || len(walked) == 0 || walked[0] != 0 {
		wrong = append(wrong, "the first stop of the Tab key is no skip link")
	}
	if hidden {
		wrong = append(wrong, "the first stop of the Tab key is out of sight")
	}
	for i, name := range names {
		if !slices.Contains(walked, i) {
			wrong = append(wrong, "the Tab key does not reach "+name)
		}
	}
	own := slices.DeleteFunc(slices.Clone(walked), func(i int) bool { return i < 0 })
	if !slices.IsSorted(own) {
		wrong = append(wrong, fmt.Sprintf("the Tab key leaves the reading order: %v", own))
	}
	return wrong, nil
}

// walk presses the Tab key until it leaves the page, and returns the stops, and
// whether the first of them was out of sight.
func walk(o *tab) (stops []int, hidden bool, err error) {
	for range mostTabs {
		if err := chromedp.Do(o.ctx, chromedp.KeyEvent(kb.Tab)); err != nil {
			return nil, false, fmt.Errorf("press Tab: %w", err)
		}
		at, err := evaluate[int](o, stopAt)
		if err != nil {
			return nil, false, err
		}
		if at == -2 || at >= 0 && slices.Contains(stops, at) {
			return stops, hidden, nil
		}
		if len(stops) == 0 {
			const outOfSight = `(() => { const r = document.activeElement.getBoundingClientRect(); return r.right <= 0 || r.bottom <= 0 || r.left >= innerWidth })()`
			if hidden, err = evaluate[bool](o, outOfSight); err != nil {
				return nil, false, err
			}
		}
		stops = append(stops, at)
	}
	return nil, false, fmt.Errorf("the Tab key has stopped %d times and goes on", mostTabs)
}

// pdfPage is the object of one page in a PDF file.
var pdfPage = regexp.MustCompile(`/Type\s*/Page\b`)

// printable counts the sheets that the page is printed on.
func printable(o *tab, _ reports.Outcome) ([]string, error) {
	file, err := chromedp.Run(o.ctx, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPrintBackground()))
	if err != nil {
		return nil, fmt.Errorf("print %s: %w", o.url, err)
	}
	pages := len(pdfPage.FindAll(file, -1))
	if pages == 0 {
		return nil, fmt.Errorf("print %s: no page was found in the PDF", o.url)
	}
	if pages > mostPages {
		return []string{fmt.Sprintf("it takes %d pages of A4, at most %d wanted", pages, mostPages)}, nil
	}
	return nil, nil
}

// list is what was found wrong, for a test's message.
func list(wrong []string) string {
	text, err := json.MarshalIndent(wrong[:min(len(wrong), 12)], "", "  ")
	if err != nil {
		return strings.Join(wrong, "\n")
	}
	return string(text)
}
