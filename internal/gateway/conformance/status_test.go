// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/entity"
)

// statusStep is one line of status.jsonl.
type statusStep struct {
	Phase, Listener string
	Request         struct {
		Method, Path string
		Headers      [][2]string
		Body         string
	}
	Response struct {
		Status  int
		Headers map[string]string
		JSON    any
		Body    *string
		Metrics []string `json:"metric_names"`
	}
}

func readStatus(t testing.TB) []statusStep {
	t.Helper()
	var steps []statusStep
	lines := bufio.NewScanner(bytes.NewReader(corpus(t, "status.jsonl")))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var step statusStep
		if err := json.Unmarshal(lines.Bytes(), &step); err != nil {
			t.Fatal(err)
		}
		if step.Phase != "info" {
			steps = append(steps, step)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

// TestStatus takes a data plane of ours through the recorded phases and compares
// every answer of its Status API, and some of its proxy, with the recorded one.
func TestStatus(t *testing.T) {
	t.Parallel()
	s := newStatusRun(t)
	agreed, differences, phase := 0, []string{}, ""
	steps := readStatus(t)
	for _, step := range steps {
		if step.Phase != phase {
			s.enter(t, step.Phase)
			phase = step.Phase
		}
		if difference := s.compare(t, step); difference != "" {
			differences = append(differences, fmt.Sprintf("%s, %s %s: %s", step.Phase, step.Request.Method, step.Request.Path, difference))
			continue
		}
		agreed++
	}
	t.Logf("status: %d of %d answers as recorded (%.1f %%)", agreed, len(steps), percent(agreed, len(steps)))
	for _, difference := range differences {
		t.Errorf("status: %s", difference)
	}
}

// statusRun is a data plane on its way through the phases.
type statusRun struct {
	cp     *recordedControlPlane
	dp     *testNode
	prefix string
	talk   *conversation
	frame  []byte
	hash   string
	values *substitutes
}

func newStatusRun(t *testing.T) *statusRun {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header()["Server"] = nil
		_, _ = fmt.Fprintf(w, `{"echo":true,"uri":%q}`, r.URL.RequestURI())
	}))
	t.Cleanup(upstream.Close)
	s := &statusRun{prefix: t.TempDir(), cp: newRecordedControlPlane(t), values: newSubstitutes(t)}
	s.cp.stop()
	recorded, _ := recordedMessage(t, readRecorded(t, wireDir("c"), "006-cp2dp-reconfigure.keys-redacted.json"))
	reduced, _ := inScope(t, []byte(strings.ReplaceAll(string(recorded.Table), "28480", port(t, upstream.Listener.Addr()))))
	hashes := entity.Hash(decodeTable(t, reduced))
	s.hash = hashes.Config
	s.values.given["28480"] = port(t, upstream.Listener.Addr())
	s.frame = clustertest.Frame(t, reduced, hashes, time.Now())
	return s
}

func port(t testing.TB, address net.Addr) string {
	t.Helper()
	_, text, err := net.SplitHostPort(address.String())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// enter brings about what a phase begins with.
func (s *statusRun) enter(t *testing.T, phase string) {
	t.Helper()
	switch phase {
	case "fresh-dp-cp-down":
		s.dp = startDataPlane(t, s.cp, s.prefix)
	case "configured-cp-up":
		s.cp.listen(t)
		s.talk = s.cp.accept(t)
		s.talk.send(t, s.frame)
		if hash := s.talk.ping(t); hash != s.hash {
			t.Fatalf("the recorded configuration is not in force; the log: %s", s.dp.log)
		}
	case "cp-stopped-3s":
		s.cp.stop()
		_ = s.talk.conn.Close()
		if !eventuallyTrue(func() bool { return strings.Contains(s.dp.log.String(), "controlplane.disconnected") }) {
			t.Fatal("the loss of the control plane is not noticed")
		}
	case "dp-restarted-with-cache-cp-down", "after-drain-restart":
		s.dp.end()
		s.dp = startDataPlane(t, s.cp, s.prefix)
	}
}

// compare makes a request and says how the answer differs from the recorded one.
func (s *statusRun) compare(t *testing.T, step statusStep) string {
	t.Helper()
	request := s.dp.request(t, step.Request.Method, step.Listener, step.Request.Path, step.Request.Body)
	for _, header := range step.Request.Headers {
		request.Header.Set(header[0], header[1])
	}
	answer := s.dp.do(t, request)
	if answer.status != step.Response.Status {
		return fmt.Sprintf("status %d %s, recorded %d", answer.status, answer.body, step.Response.Status)
	}
	for name, want := range step.Response.Headers {
		if step.Listener == "proxy" && name == "access-control-allow-origin" {
			continue // of the plugin cors, which is not here
		}
		if have := answer.header.Get(name); have != want {
			return fmt.Sprintf("header %s is %q, recorded %q", name, have, want)
		}
	}
	switch {
	case step.Response.Metrics != nil:
		return missingMetrics(answer.body, step.Response.Metrics)
	case step.Response.JSON == nil && step.Response.Body != nil && answer.body != *step.Response.Body:
		return fmt.Sprintf("body %q, recorded %q", answer.body, *step.Response.Body)
	case step.Response.JSON == nil:
		return ""
	}
	var have any
	if err := json.Unmarshal([]byte(answer.body), &have); err != nil {
		return fmt.Sprintf("body is no JSON: %v", err)
	}
	if got, want := encode(s.generalise(have)), encode(step.Response.JSON); got != want {
		return fmt.Sprintf("body %s, recorded %s", got, want)
	}
	return ""
}

// sizes are memory sizes as /status writes them.
var sizes = regexp.MustCompile(`^[0-9]+\.[0-9]{2} ([KMG]iB)$`)

// generalise brings an answer of ours into the form of the recording, where what
// differs from one run to the next is a mark.
func (s *statusRun) generalise(value any) any {
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	changed := maps.Clone(object)
	for name, member := range object {
		switch member := member.(type) {
		case map[string]any:
			changed[name] = s.generalise(member)
		case []any:
			list := make([]any, len(member))
			for i, element := range member {
				list[i] = s.generalise(element)
			}
			changed[name] = list
		default:
			changed[name] = s.mark(name, member)
		}
	}
	return changed
}

// mark is what the recording has in place of a value.
func (s *statusRun) mark(name string, value any) any {
	text, _ := value.(string)
	number, isNumber := value.(float64)
	size := sizes.FindStringSubmatch(text)
	switch {
	case size != nil:
		return "<size> " + size[1]
	case name == "configuration_hash" && text == s.hash:
		return "<hash32>"
	case name == "request_id" && len(text) == 32:
		return "<request_id>"
	case name == "node_id" && generatedID.MatchString(text):
		return "<uuid>"
	case isNumber && (name == "created_at" || name == "updated_at"):
		return "<ts>"
	case isNumber && (name == "pid" || name == "total_requests" || strings.HasPrefix(name, "connections_")):
		return "<int>"
	case isNumber && fmt.Sprint(number) == s.values.given["28480"]:
		return 28480.0
	}
	if text != "" {
		return strings.ReplaceAll(text, ":"+s.values.given["28480"], ":28480")
	}
	return value
}

// missingMetrics says which of the recorded metrics are not in ours.
func missingMetrics(body string, recorded []string) string {
	missing := slices.DeleteFunc(slices.Clone(recorded), func(name string) bool { return strings.Contains(body, "\n# TYPE "+name+" ") })
	if len(missing) > 0 {
		return "metrics are missing: " + strings.Join(missing, ", ")
	}
	return ""
}
