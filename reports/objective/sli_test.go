// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"strings"
	"testing"

	"blackout/harness/history"
	"blackout/reports/slo"
)

// The goals that the good tape reaches.
var (
	strict    = about("proxy-availability", target(0.99), in("outage"))
	client    = about("client-availability", target(0.99), in("outage"))
	rto       = about("data-plane-rto", never(1))
	stale     = about("snapshot-staleness", never(0.5), with("beyond", "export-delay"))
	point     = about("recovery-point", never(0))
	returned  = about("recovery-time", never(3))
	reads     = about("store-reads-after-boot", never(0), least(30))
	wrong     = about("wrong-configuration", never(0))
	valid     = about("measurement-validity", never(0))
	slower    = about("latency-ratio", limit(1.25), with("percentile", "50"))
	goodGoals = []slo.Objective{strict, client, rto, stale, point, returned, reads, wrong, valid, slower}
)

// TestGoodTape: everything is proven of the run in which all is well.
func TestGoodTape(t *testing.T) {
	t.Parallel()
	run, err := newTape().run()
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]int{
		"proxy-availability": 1700, "client-availability": 1700, "data-plane-rto": 1, "snapshot-staleness": 2, "recovery-point": 1,
		"recovery-time": 1, "store-reads-after-boot": 66, "wrong-configuration": 6200, "measurement-validity": 10, "latency-ratio": 9,
	}
	for _, v := range Judge(run, slo.Document{Objectives: goodGoals}, All) {
		if v.Status != Proven || v.Samples != samples[v.Name] {
			t.Errorf("%s: %s of %d, want PROVEN of %d: %s", v.Name, v.Status, v.Samples, samples[v.Name], v.Reason)
		}
	}
}

func fail(q *history.Request) { q.Class, q.Status, q.Generation = history.Refused, 0, 0 }
func mask(q *history.Request) { q.Flags |= history.Masked }
func timeOut(q *history.Request) {
	q.Class, q.Status, q.Generation, q.Done = history.Timeout, 0, 0, q.Sent+at(1)
}
func slow(q *history.Request)          { q.Done = q.Sent + at(1.5) }
func unwitnessed(e history.Event) bool { return e.Kind == history.FaultWitness }

func kindOf(kind history.Kind, node string) func(history.Event) bool {
	return func(e history.Event) bool { return e.Kind == kind && (node == "" || e.Node == node) }
}

// since is an event of a kind at a node, or of a generation, at a moment or later.
func since(seconds float64, match func(history.Event) bool) func(history.Event) bool {
	return func(e history.Event) bool { return e.At >= at(seconds) && match(e) }
}

// TestSLIs changes one thing of the good tape at a time.
func TestSLIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*tape)
		goal   slo.Objective
		want   Status
		says   string
	}{
		{"requests fail in the outage", func(s *tape) { s.requests("dp-1", 11, 13, fail) }, strict, Violated, "200 of 1700 requests were bad"},
		{"too few fail to tell", func(s *tape) { s.requests("dp-1", 11, 11.15, fail) }, strict, NotProven, "it would take"},
		{"they fail before the outage", func(s *tape) { s.requests("dp-1", 6, 8, fail) }, strict, Proven, ""},
		{"and the steady phase is asked for", func(s *tape) { s.requests("dp-1", 6, 8, fail) }, about("proxy-availability", target(0.99), in("steady")), Violated, "200 of 900"},
		{"they fail when it is back", func(s *tape) { s.requests("dp-2", 23, 25, fail) }, about("proxy-availability", target(0.99), in("recovery")), Violated, "200 of 3600"},
		{"a client hides failures", func(s *tape) { s.requests("dp-1", 11, 13, mask) }, strict, Violated, "hid by sending"},
		{"which it does not see", func(s *tape) { s.requests("dp-1", 11, 13, mask) }, client, Proven, ""},
		{"answers come late", func(s *tape) { s.requests("dp-1", 11, 13, slow) }, strict, Violated, "an answer after 1.500 s"},
		{"not later than is allowed", func(s *tape) { s.requests("dp-1", 11, 13, slow) }, about("proxy-availability", target(0.99), with("deadline", "2s")), Proven, ""},
		{"the prober is late", func(s *tape) {
			s.requests("dp-1", 11, 11.1, func(q *history.Request) { q.Sent, q.Done = q.Sent+at(1.2), q.Done+at(1.2) })
		}, strict, Invalid, "only because the prober sent"},
		{"they time out while the machine stalls", func(s *tape) {
			s.requests("dp-1", 11.5, 12.5, timeOut)
			s.add(11.5, history.Event{Kind: history.UpstreamSlow, Node: "upstream", Until: at(13.5)})
		}, strict, Invalid, "the machine stalled"},
		{"and too few when it does not to tell", func(s *tape) {
			s.requests("dp-1", 11.4, 12.5, timeOut)
			s.add(12, history.Event{Kind: history.UpstreamSlow, Node: "upstream", Until: at(14)})
		}, strict, Invalid, "the machine stalled"},
		{"and as many when it does not", func(s *tape) {
			s.requests("dp-1", 11, 13, timeOut)
			s.add(11.5, history.Event{Kind: history.UpstreamSlow, Node: "upstream", Until: at(12.5)})
		}, strict, Violated, "VIOLATED without the 1"},
		{"they time out while the data plane gets no processor", func(s *tape) {
			s.requests("dp-1", 11.5, 12.5, timeOut)
			s.add(11.5, history.Event{Kind: history.NodeDenied, Node: "dp-1", Until: at(13.5)})
		}, strict, Invalid, "kept dp-1 from running"},
		{"while another gets none", func(s *tape) {
			s.requests("dp-1", 11.5, 12.5, timeOut)
			s.add(11.5, history.Event{Kind: history.NodeDenied, Node: "dp-2", Until: at(13.5)})
		}, strict, Violated, "100 of 1700"},
		{"a client hides failures while it stalls", func(s *tape) {
			s.requests("dp-1", 11, 13, mask)
			s.add(11, history.Event{Kind: history.UpstreamSlow, Node: "upstream", Until: at(13)})
		}, strict, Violated, "hid by sending"},
		{"they are refused while it stalls", func(s *tape) {
			s.requests("dp-1", 11, 13, fail)
			s.add(11.5, history.Event{Kind: history.UpstreamSlow, Node: "upstream", Until: at(12.5)})
		}, strict, Violated, "200 of 1700"},
		{"nobody witnessed the outage", func(s *tape) { s.without(unwitnessed) }, strict, Invalid, "was not witnessed"},
		{"half of the requests were not sent", func(s *tape) {
			s.rec.Requests = s.rec.Requests[:len(s.rec.Requests)/2]
		}, strict, Invalid, "check schedule kept"},
		{"the harness had ended the data plane", func(s *tape) {
			s.requests("dp-1", 11, 13, fail)
			s.add(10.9, history.Event{Kind: history.NodeStop, Node: "dp-1"})
			s.add(12.5, history.Event{Kind: history.NodeStart, Node: "dp-1"})
			s.live(13, "dp-1", 2)
		}, strict, Proven, ""},
		{"and it takes a while to come back", func(s *tape) {
			s.requests("dp-1", 11, 16, fail)
			s.add(10.9, history.Event{Kind: history.NodeStop, Node: "dp-1"})
			s.add(12.5, history.Event{Kind: history.NodeStart, Node: "dp-1"})
			s.live(16, "dp-1", 2)
		}, strict, Proven, ""},
		{"but not for ever", func(s *tape) {
			s.without(since(10.9, kindOf(history.ServeChange, "dp-1")))
			s.requests("dp-1", 11, 40, fail)
			s.add(10.9, history.Event{Kind: history.NodeStop, Node: "dp-1"})
			s.add(11, history.Event{Kind: history.NodeStart, Node: "dp-1"})
		}, strict, Violated, "199 of"},
		{"it died by itself", func(s *tape) {
			s.requests("dp-1", 11, 13, fail)
			s.add(11, history.Event{Kind: history.NodeExit, Node: "dp-1", Code: 2})
		}, strict, Violated, "refused"},
		{"no request in the outage", func(s *tape) {
			s.rec.Header.Streams[0].Node, s.rec.Header.Streams[1].Node = "cp", "cp"
		}, strict, NotMeasured, "no request was due"},

		{"a new data plane is slow", func(s *tape) {
			s.without(since(12.4, func(e history.Event) bool { return e.Node == "dp-2" && e.At < at(13) }))
			s.live(15, "dp-2", 2)
		}, rto, Violated, "dp-2 served 3.030 s after it could know"},
		{"it never serves", func(s *tape) {
			s.without(since(12.4, func(e history.Event) bool { return e.Node == "dp-2" && e.At < at(13) }))
		}, rto, Violated, "did not serve before its control plane was back"},
		{"it has no time to", func(s *tape) {
			s.without(since(12.4, func(e history.Event) bool { return e.Node == "dp-2" && e.At < at(13) }))
			for i := range s.rec.Events {
				if e := &s.rec.Events[i]; e.Edge == "dp-2>cp" && e.At >= at(outageTo) {
					e.At -= at(6.9)
				}
			}
		}, rto, NotMeasured, "no data plane"},
		{"there is no snapshot", func(s *tape) { s.without(kindOf(history.StoreObject, "")) }, rto, NotMeasured, "no data plane"},
		{"nobody witnessed its outage", func(s *tape) {
			s.without(func(e history.Event) bool { return unwitnessed(e) && e.Edge == "dp-2>cp" })
		}, rto, Invalid, "was not witnessed"},
		{"its control plane does not answer", func(s *tape) {
			for i := range s.rec.Events {
				if e := &s.rec.Events[i]; e.Edge == "dp-2>cp" && e.Text == "reset" {
					e.Text = "drop"
				}
			}
			s.without(func(e history.Event) bool { return e.Kind == history.EdgeConnect && e.Edge == "dp-2>cp" })
			for i := range s.rec.Events { // it asks the store after the dial time-out
				if e := &s.rec.Events[i]; e.Node == "dp-2" && e.At > at(12.25) && e.At < at(12.9) {
					e.At, e.Until = e.At+at(1), e.Until+at(1)
				}
			}
		}, about("data-plane-rto", never(0.55)), Proven, ""},

		{"a change takes long", func(s *tape) {
			s.without(func(e history.Event) bool {
				return e.At > at(6) && e.At < at(7) && (e.Kind == history.StoreRequest || e.Kind == history.StoreObject)
			})
			s.upload(8, 2)
		}, stale, Violated, "generation 2 was in the store 3.100 s after"},
		{"the backup node does not run", func(s *tape) {
			s.without(func(e history.Event) bool {
				return e.At > at(6) && e.At < at(7) && (e.Kind == history.StoreRequest || e.Kind == history.StoreObject)
			})
			s.add(4, history.Event{Kind: history.NodeStop, Node: "backup"})
			s.add(7, history.Event{Kind: history.NodeStart, Node: "backup"})
			s.upload(8, 2)
		}, stale, Proven, ""},
		{"an upload is seen late", func(s *tape) {
			for i := range s.rec.Events {
				if e := &s.rec.Events[i]; e.Kind == history.StoreObject && e.Generation == 2 {
					e.At, e.Until = at(8), at(8.01)
				}
			}
		}, stale, Proven, ""},
		{"a change is never exported", func(s *tape) {
			s.without(func(e history.Event) bool {
				return e.At > at(0.55) && (e.Kind == history.StoreRequest && e.Node == "backup" || e.Kind == history.StoreObject) && e.At > at(1)
			})
			s.without(func(e history.Event) bool { return e.Fault == 1 })
		}, stale, Violated, "generation 2 was never found"},
		{"without the export delay taken off", func(*tape) {}, about("snapshot-staleness", never(0.5)), Violated, "generation 2 was in the store 1.300 s"},
		{"nobody looks into the store", func(s *tape) { s.without(kindOf(history.StoreObject, "")) }, stale, NotMeasured, "nobody looked"},

		{"a change is lost with the control plane", func(s *tape) { s.change(9, 9) }, point, Violated, "generation 9 was acknowledged 1.000 s before"},
		{"it comes after the outage", func(s *tape) {
			s.change(9, 9)
			s.upload(23, 9)
		}, point, Violated, "generation 9 was acknowledged 1.000 s before"},
		{"one that is younger than the delay", func(s *tape) { s.change(9.5, 9) }, about("recovery-point", never(0), with("beyond", "export-delay")), Proven, ""},
		{"the backup node is not cut off", func(s *tape) { s.without(func(e history.Event) bool { return e.Fault == 1 }) }, point, NotMeasured, "no outage"},

		{"a data plane is long in coming back", func(s *tape) {
			s.without(since(21.5, kindOf(history.ServeChange, "dp-2")))
			s.live(27, "dp-2", 3)
		}, returned, Violated, "the last of 3 data planes served generation 3 7.030 s"},
		{"it never does", func(s *tape) { s.without(since(21.5, kindOf(history.ServeChange, "dp-2"))) }, returned, Violated, "dp-2 never served generation 3"},
		{"nobody witnessed the healing", func(s *tape) { s.without(kindOf(history.HealWitness, "")) }, returned, Invalid, "the healing of"},
		{"nothing was new", func(s *tape) {
			s.without(func(e history.Event) bool { return e.Generation == 3 })
		}, returned, NotMeasured, "no control plane came back"},

		{"a data plane reads the store once more", func(s *tape) {
			s.add(25, history.Event{Kind: history.StoreRequest, Node: "dp-1", Text: "GET " + object, Code: 200, OK: true, Until: at(25.1)})
		}, reads, Violated, "dp-1 sent GET"},
		{"it only dials it", func(s *tape) {
			s.add(25, history.Event{Kind: history.EdgeConnect, Node: "dp-2", Edge: "dp-2>store"})
		}, reads, Violated, "dp-2 dialled its store"},
		{"nobody recorded requests", func(s *tape) { s.without(kindOf(history.StoreRequest, "")) }, reads, NotMeasured, "nobody recorded"},
		{"it is not watched long enough", func(*tape) {}, about("store-reads-after-boot", never(0), least(600)), NotProven, "534 more are asked for"},

		{"an invented configuration", func(s *tape) { s.requests("dp-1", 30, 30.1, func(q *history.Request) { q.Generation = 77 }) }, wrong, Violated, "generation 77, which nobody made"},
		{"a replaced one", func(s *tape) { s.requests("dp-1", 30, 30.1, func(q *history.Request) { q.Generation = 2 }) }, wrong, Violated, "after it had served generation 3"},
		{"what its cache held before it was started again", func(s *tape) {
			s.add(29, history.Event{Kind: history.NodeStop, Node: "dp-1"})
			s.add(29.1, history.Event{Kind: history.NodeStart, Node: "dp-1"})
			s.requests("dp-1", 29.1, 39, func(q *history.Request) { q.Generation = 2 })
		}, wrong, Proven, ""},
		{"while its workers change", func(s *tape) { s.requests("dp-1", 21.5, 21.6, func(q *history.Request) { q.Generation = 2 }) }, wrong, Proven, ""},
		{"an old one at a new data plane", func(s *tape) { s.requests("dp-2", 13, 19, func(q *history.Request) { q.Generation = 1 }) }, wrong, Violated, "though the store had held generation 2"},
		{"one that was put into the bucket", func(s *tape) {
			s.add(17, history.Event{Kind: history.Planted, Text: object, Generation: 500})
			s.requests("dp-2", 18, 18.1, func(q *history.Request) { q.Generation = 500 })
		}, wrong, Violated, "put into the bucket while it ran"},
		{"another body", func(s *tape) { s.requests("dp-1", 18, 18.1, func(q *history.Request) { q.Class = history.WrongBody }) }, wrong, Violated, "not the probed route's"},
		{"a control plane that was given an older database", func(s *tape) {
			s.cut(9, "dp-1>cp", "cp-older-database", 28, 29)
			s.requests("dp-1", 30, 30.1, func(q *history.Request) { q.Generation = 2 })
		}, wrong, Proven, ""},

		{"a check failed", func(s *tape) {
			s.requests("dp-1", 3, 9, func(q *history.Request) { q.Sent, q.Done = q.Sent+at(0.05), q.Done+at(0.05) })
		}, valid, Invalid, "check prober on time"},
		{"latencies do not survive it", func(s *tape) {
			s.requests("dp-1", 3, 9, func(q *history.Request) { q.Sent, q.Done = q.Sent+at(0.05), q.Done+at(0.05) })
		}, slower, Invalid, "check prober on time"},
		{"availability does", func(s *tape) {
			s.requests("dp-1", 3, 9, func(q *history.Request) { q.Sent, q.Done = q.Sent+at(0.05), q.Done+at(0.05) })
		}, strict, Proven, ""},

		{"the outage makes it slower", func(s *tape) { s.requests("dp-1", 10, 20, func(q *history.Request) { q.Done += at(0.003) }) }, slower, Violated, "the ratio is 2.3"},
		{"the time before is unsteady", func(s *tape) { s.requests("dp-1", 1, 5, func(q *history.Request) { q.Done += at(0.003) }) }, slower, Invalid, "before the outage"},
		{"the outage is short", func(s *tape) {
			for i := range s.rec.Events {
				if e := &s.rec.Events[i]; e.Fault == 2 && e.At >= at(outageTo) {
					e.At -= at(7)
				}
			}
		}, slower, NotProven, "too short for a bound"},
		{"too few for a percentile", func(*tape) {}, about("latency-ratio", limit(1.25), with("percentile", "99.9")), NotMeasured, "takes 2995 answers"},

		{"nothing of the run counts", func(s *tape) { s.without(kindOf(history.RunEnd, "")) }, wrong, Invalid, "ends before its run did"},
		{"the plan was not carried out", func(s *tape) {
			s.without(kindOf(history.RunEnd, ""))
			s.add(40, history.Event{Kind: history.RunEnd})
		}, wrong, Invalid, "the plan was not carried out"},
		{"though what broke, broke", func(s *tape) {
			s.without(kindOf(history.RunEnd, ""))
			s.add(40, history.Event{Kind: history.RunEnd})
			s.requests("dp-1", 30, 30.1, func(q *history.Request) { q.Generation = 77 })
		}, wrong, Violated, "nobody made"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newTape()
			c.change(s)
			run, err := s.run()
			if err != nil {
				t.Fatal(err)
			}
			v := Judge(run, slo.Document{Objectives: []slo.Objective{c.goal}}, All)[0]
			said := v.Reason
			for _, e := range v.Evidence {
				said += "; " + e.Text
			}
			if v.Status != c.want || !strings.Contains(said, c.says) {
				t.Errorf("%s: %s\nwant %s: %s", v.Status, said, c.want, c.says)
			}
		})
	}
}
