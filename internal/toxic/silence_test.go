// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package toxic

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"
)

// TestSilenceSwallowsBytesAndEnd, through interruptions, and ends the link when it
// is removed.
func TestSilenceSwallowsBytesAndEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, new(Silence))
		p.send([]byte("x"))
		p.interrupt()
		p.send([]byte("y"))
		close(p.in)
		p.interrupt()
		p.interrupt()
		select {
		case chunk, open := <-p.out:
			t.Errorf("%v passed, the link is open: %v", chunk, open)
		case <-time.After(time.Hour):
		}
		if passed, ended := p.remove(); len(passed) != 0 || !ended {
			t.Errorf("%q passed at the removal, link ended: %v", passed, ended)
		}
	})
}

// TestSilenceOfWhatStood when a moment came: connections keep what they met.
func TestSilenceOfWhatStood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		toxic := &Silence{Until: rand.Text()}
		stood := newPipe(t, toxic)
		request := httptest.NewRequest(http.MethodPut, MomentsPath+url.PathEscape(toxic.Until), nil)
		answer := httptest.NewRecorder()
		Moments().ServeHTTP(answer, request)
		if answer.Code != http.StatusNoContent {
			t.Fatalf("status %d", answer.Code)
		}
		stood.interrupt()
		stood.send([]byte("lost"))
		late := newPipe(t, toxic)
		late.send([]byte("passes"))
		if got := late.receive(); string(got) != "passes" {
			t.Errorf("received %q", got)
		}
		late.end()
		if passed, ended := stood.remove(); len(passed) != 0 || !ended {
			t.Errorf("%q passed at the removal, link ended: %v", passed, ended)
		}
	})
}

// TestNoMomentNeverComes: a silence without one goes on.
func TestNoMomentNeverComes(t *testing.T) {
	t.Parallel()
	Come("")
	if moments.has("") || !new(Silence).NewState().(*silent).armed {
		t.Error("a silence without a moment is over")
	}
}
