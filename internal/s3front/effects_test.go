// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"context"
	"crypto/md5" // S3's ETag is an MD5.
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	key   = "p/3.9.1/config.json"
	other = "p/3.8.0/config.json"
)

var content = strings.Repeat("0123456789", 10_000)

func etag(body string) string {
	sum := md5.Sum([]byte(body)) // see the import
	return hex.EncodeToString(sum[:])
}

func older(at string) *Object {
	return &Object{Key: at, Body: []byte("older"), ETag: etag("older"), Modified: time.Unix(1_700_000_000, 0), Metadata: map[string]string{"State": "old"}}
}

// flippedBits is in how many bits two texts of one length differ.
func flippedBits(a, b string) int {
	n := 0
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}

// TestEffects: what each does to a read of the account that it is about, and to
// a probe that asks for it, and that it does nothing to anybody else.
func TestEffects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule   Rule
		wrong  func(read) bool
		status int // recorded
		whole  bool
	}{
		"refuse": {Rule{Effect: Refuse}, func(r read) bool { return !errors.Is(r.err, syscall.ECONNRESET) }, 0, false},
		"403":    {Rule{Effect: Fail, Status: 403}, func(r read) bool { return r.code != "AccessDenied" || r.status != 403 }, 403, true},
		"404":    {Rule{Effect: Fail, Status: 404}, func(r read) bool { return r.code != "NoSuchKey" || r.status != 404 }, 404, true},
		"412":    {Rule{Effect: Fail, Status: 412}, func(r read) bool { return r.code != "PreconditionFailed" || r.status != 412 }, 412, true},
		"429":    {Rule{Effect: Fail, Status: 429}, func(r read) bool { return r.code != "TooManyRequests" || r.status != 429 }, 429, true},
		"503":    {Rule{Effect: Fail, Status: 503}, func(r read) bool { return r.code != "ServiceUnavailable" || r.status != 503 }, 503, true},
		"503 with a code": {Rule{Effect: Fail, Status: 503, Code: "SlowDown", RetryAfter: 1500 * time.Millisecond},
			func(r read) bool { return r.code != "SlowDown" || r.status != 503 }, 503, true},
		"599":   {Rule{Effect: Fail, Status: 599}, func(r read) bool { return r.code != "Status599" || r.status != 599 }, 599, true},
		"slow":  {Rule{Effect: Slow, Rate: 200_000}, func(r read) bool { return r.body != content || r.took < 450*time.Millisecond || r.err != nil }, 200, true},
		"empty": {Rule{Effect: Empty}, func(r read) bool { return r.body != "" || r.length != 0 || r.etag != etag(content) || r.err != nil }, 200, true},
		"truncate": {Rule{Effect: Truncate, Bytes: 50_001}, func(r read) bool {
			return r.length != int64(len(content)) || r.body != content[:50_001] || !errors.Is(r.err, io.ErrUnexpectedEOF)
		}, 200, false},
		"flip": {Rule{Effect: Flip, Seed: 7}, func(r read) bool {
			return len(r.body) != len(content) || flippedBits(r.body, content) != 1 || r.etag != etag(content) || r.state != "new" || r.err != nil
		}, 200, true},
		"stale": {Rule{Effect: Stale, Object: older("")}, func(r read) bool {
			return r.body != "older" || r.etag != etag("older") || r.state != "old" || r.err != nil || r.header.Get("Last-Modified") != "Tue, 14 Nov 2023 22:13:20 GMT"
		}, 200, true},
		"other version":           {Rule{Effect: OtherVersion, KeySuffix: key, Object: older(other)}, func(r read) bool { return r.code != "NoSuchKey" || r.status != 404 }, 404, true},
		"a key that is another's": {Rule{Effect: Fail, Status: 403, KeySuffix: "else.json"}, func(r read) bool { return r.body != content }, 200, true},
		"another method":          {Rule{Effect: Fail, Status: 403, Methods: []string{"PUT"}}, func(r read) bool { return r.body != content }, 200, true},
		"truncate beyond the end": {Rule{Effect: Truncate, Bytes: int64(len(content))}, func(r read) bool { return r.body != content }, 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			s.put(t, key, content)
			s.rule(t, "r1", c.rule)
			n := s.ended(t)
			wantRule := "r1"
			if r := s.get(t, "dp-1", key); c.wrong(r) {
				t.Errorf("the account reads %.40q, %+v", r.body, r.err)
			} else if r.body == content && c.rule.Effect != Slow {
				wantRule = ""
			}
			if e := s.next(t, n); e.AccessKey != "dp-1" || e.Status != c.status || e.Complete != c.whole || e.Rule != wantRule || e.Probe != "" {
				t.Errorf("recorded %+v", e)
			}
			if r := s.probe(t, key); c.wrong(r) {
				t.Errorf("the probe reads %.40q, %+v", r.body, r.err)
			}
			if e := s.next(t, n+1); e.AccessKey != "root" || e.Status != c.status || e.Rule != wantRule || e.Probe != "dp-1" {
				t.Errorf("recorded of the probe %+v", e)
			}
			for _, account := range []string{"dp-2", "root"} {
				if r := s.get(t, account, key); r.body != content || r.err != nil || r.took > time.Second {
					t.Errorf("%s is met too: %.40q, %+v", account, r.body, r.err)
				}
			}
			s.unrule(t, "r1")
			if r := s.get(t, "dp-1", key); r.body != content || r.err != nil {
				t.Errorf("it outlives its rule: %.40q, %+v", r.body, r.err)
			}
		})
	}
}

// TestFailureHeaders: Retry-After rounds up, and a clock that is ahead shows it.
func TestFailureHeaders(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.rule(t, "r1", Rule{Effect: Fail, Status: 403, Code: "RequestTimeTooSkewed", RetryAfter: 1500 * time.Millisecond, Ahead: time.Hour})
	request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.front+"/backup/"+key, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=dp-1/x")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	header := response.Header
	date, err := http.ParseTime(header.Get("Date"))
	if ahead := time.Until(date); err != nil || ahead < 59*time.Minute || ahead > time.Hour+time.Minute {
		t.Errorf("Date %q, %v", header.Get("Date"), err)
	}
	if header.Get("Retry-After") != "2" || !strings.Contains(string(body), "<Code>RequestTimeTooSkewed</Code>") {
		t.Errorf("Retry-After %q, body %s", header.Get("Retry-After"), body)
	}
}

// TestWritesMeetRules too, with large bodies as well.
func TestWritesMeetRules(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.rule(t, "r1", Rule{Effect: Fail, Status: 503})
	body := strings.Repeat("x", 3<<20)
	_, err := s.core(t, "dp-1", nil).PutObject(t.Context(), "backup", key, strings.NewReader(body), int64(len(body)), "", "", minio.PutObjectOptions{})
	if answer := minio.ToErrorResponse(err); answer.Code != "ServiceUnavailable" {
		t.Errorf("error %v", err)
	}
	if keys := s.list(t, "root", ""); len(keys) != 0 {
		t.Errorf("the refused object is there: %v", keys)
	}
}

// TestDenialsStayDenials: a rule that changes answers changes none that the store
// refuses.
func TestDenialsStayDenials(t *testing.T) {
	t.Parallel()
	for _, r := range []Rule{
		{Effect: Stale, Object: older("")}, {Effect: Empty}, {Effect: Flip}, {Effect: Truncate, Bytes: 1},
		{Effect: OtherVersion, KeySuffix: "config.json", Object: older("elsewhere/config.json")},
	} {
		t.Run(string(r.Effect), func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			s.put(t, "elsewhere/config.json", content)
			s.rule(t, "r1", r)
			n := s.ended(t)
			if got := s.get(t, "dp-1", "elsewhere/config.json"); got.code != "AccessDenied" {
				t.Errorf("read %.40q, %v", got.body, got.err)
			}
			if e := s.next(t, n); e.AccessKey != "dp-1" || e.Status != 403 || e.Rule != "" {
				t.Errorf("recorded %+v", e)
			}
		})
	}
}

func TestHangEndsWithItsClientOrItsRule(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.put(t, key, content)
	s.rule(t, "r1", Rule{Effect: Hang})
	n := s.ended(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	// A body does not hide from the front that its client has gone.
	_, err := s.core(t, "dp-1", nil).PutObject(ctx, "backup", key, strings.NewReader(content), int64(len(content)), "", "", minio.PutObjectOptions{})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if e := s.next(t, n); e.Method != "PUT" || e.Status != 0 || e.Complete || e.Rule != "r1" {
		t.Errorf("recorded %+v", e)
	}
	ended := make(chan read, 1)
	go func() { ended <- s.get(t, "dp-1", key) }()
	s.awaitUsage(t, "r1", 2)
	s.unrule(t, "r1")
	if r := <-ended; r.status == 200 || r.took >= 5*time.Second {
		t.Errorf("it was answered, or never: %+v", r)
	}
	if e := s.next(t, n+1); e.Method != "GET" || e.Status != 0 || e.Complete || e.Rule != "r1" {
		t.Errorf("recorded %+v", e)
	}
}

func (s store) awaitUsage(t *testing.T, id string, met int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if u, err := s.control.Usage(t.Context(), id); err != nil || u.Met == met {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		<-tick.C
	}
	t.Fatalf("rule %s was not met %d times", id, met)
}

// TestCountIsTheNodesOwn: probes neither use it up nor are spared when it is.
func TestCountIsTheNodesOwn(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.put(t, key, content)
	s.rule(t, "r1", Rule{Effect: Fail, Status: 503, Count: 2})
	s.rule(t, "r2", Rule{Effect: Fail, Status: 429, Count: 1})
	var got []int
	for range 3 {
		if r := s.probe(t, key); r.status != 503 {
			t.Errorf("the probe is answered %d", r.status)
		}
	}
	for range 4 {
		got = append(got, s.get(t, "dp-1", key).status)
	}
	if !slices.Equal(got, []int{503, 503, 429, 200}) {
		t.Errorf("the account is answered %v", got)
	}
	if r := s.probe(t, key); r.status != 503 {
		t.Errorf("the probe is answered %d after the count is used up", r.status)
	}
	if u, err := s.control.Usage(t.Context(), "r1"); err != nil || u != (Usage{Met: 2, Probed: 4}) {
		t.Errorf("usage %+v, %v", u, err)
	}
	s.rule(t, "r1", Rule{Effect: Fail, Status: 412, Count: 1}) // in its place, counted anew, and last
	if r := s.get(t, "dp-1", key); r.status != 412 {
		t.Errorf("the account is answered %d by the new rule", r.status)
	}
	if _, err := s.control.Usage(t.Context(), "r3"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("error %v", err)
	}
}

// TestOtherVersion: reads and lists agree on what is there.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.put(t, key, content)
	s.put(t, "p/3.9.1/election/leader", "x")
	s.rule(t, "r1", Rule{Effect: OtherVersion, KeySuffix: key, Object: older(other)})
	for prefix, want := range map[string][]string{
		"p/":       {other, "p/3.9.1/election/leader"},
		"p/3.9.1/": {"p/3.9.1/election/leader"},
		"p/3.8":    {other},
	} {
		if got := s.list(t, "dp-1", prefix); !slices.Equal(got, want) {
			t.Errorf("listed under %s: %v, want %v", prefix, got, want)
		}
	}
	if r := s.get(t, "dp-1", other); r.body != "older" || r.etag != etag("older") || r.err != nil {
		t.Errorf("the other version reads %.40q, %+v", r.body, r.err)
	}
	if r := s.get(t, "dp-1", "p/3.9.1/election/leader"); r.body != "x" {
		t.Errorf("what is beside it reads %q, %v", r.body, r.err)
	}
	if _, err := s.core(t, "dp-1", nil).StatObject(t.Context(), "backup", key, minio.StatObjectOptions{}); minio.ToErrorResponse(err).StatusCode != 404 {
		t.Errorf("HEAD of the hidden object: %v", err)
	}
	if info, err := s.core(t, "dp-1", nil).StatObject(t.Context(), "backup", other, minio.StatObjectOptions{}); err != nil || info.Size != 5 {
		t.Errorf("HEAD of the other object: %+v, %v", info, err)
	}
	s.unrule(t, "r1")
	s.rule(t, "r1", Rule{Effect: OtherVersion, KeySuffix: key, Object: older("p/4.0.0/config.json")}) // after the end
	if got := s.list(t, "dp-1", "p/"); !slices.Equal(got, []string{"p/3.9.1/election/leader", "p/4.0.0/config.json"}) {
		t.Errorf("listed with a later version: %v", got)
	}
	if got := s.list(t, "dp-2", "p/"); !slices.Equal(got, []string{key, "p/3.9.1/election/leader"}) {
		t.Errorf("another account lists %v", got)
	}
}

// TestFlipIsDrawn: the same seed flips the same bit, another one another.
func TestFlipIsDrawn(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.put(t, key, content)
	var bodies []string
	for _, seed := range []uint64{1, 1, 2} {
		s.rule(t, "r1", Rule{Effect: Flip, Seed: seed})
		bodies = append(bodies, s.get(t, "dp-1", key).body)
	}
	if bodies[0] != bodies[1] || bodies[0] == bodies[2] || bodies[0] == content {
		t.Error(fmt.Sprint("flips: ", flippedBits(bodies[0], bodies[1]), flippedBits(bodies[0], bodies[2]), flippedBits(bodies[0], content)))
	}
}

// TestProbeHeaderGoesNoFurther than the front.
func TestProbeHeaderGoesNoFurther(t *testing.T) {
	t.Parallel()
	seen := make(chan http.Header, 1)
	b := newBench(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header }))
	get(t, newCore(t, b.front, &minio.Options{Transport: adding{http.Header{ProbeHeader: {"dp-1"}}, http.DefaultTransport}}), key)
	if header := <-seen; header.Get(ProbeHeader) != "" {
		t.Errorf("the store was sent %v", header)
	}
}
