// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package toxic

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// pipe is one link with one toxic, in a synctest bubble.
type pipe struct {
	t     *testing.T
	toxic *toxics.ToxicWrapper
	stub  *toxics.ToxicStub
	in    chan *stream.StreamChunk
	out   chan *stream.StreamChunk
}

func newPipe(t *testing.T, toxic toxics.Toxic) *pipe {
	t.Helper()
	p := &pipe{t: t, toxic: &toxics.ToxicWrapper{Toxic: toxic, Toxicity: 1}, in: make(chan *stream.StreamChunk, 1000), out: make(chan *stream.StreamChunk)}
	p.stub = toxics.NewToxicStub(p.in, p.out)
	p.stub.State = toxic.(toxics.StatefulToxic).NewState()
	go p.stub.Run(p.toxic)
	synctest.Wait()
	return p
}

func (p *pipe) send(data []byte) {
	p.in <- &stream.StreamChunk{Data: data, Timestamp: time.Now()}
}

// receive takes the next piece. It waits for the bubble's clock if need be.
func (p *pipe) receive() []byte {
	p.t.Helper()
	chunk := <-p.out
	if chunk == nil {
		p.t.Fatal("the link has ended")
	}
	return chunk.Data
}

// interrupt leaves the toxic and enters it again, as every change of a chain does.
func (p *pipe) interrupt() {
	p.t.Helper()
	if !p.stub.InterruptToxic() {
		p.t.Fatal("the link has ended")
	}
	go p.stub.Run(p.toxic)
	synctest.Wait()
}

// remove takes the toxic away, as Toxiproxy does, and keeps what it passes on.
func (p *pipe) remove() (passed []byte, ended bool) {
	p.t.Helper()
	if !p.stub.InterruptToxic() {
		p.t.Fatal("the link has ended")
	}
	rest := make(chan []byte)
	go func() {
		var data []byte
		for chunk := range p.out {
			data = append(data, chunk.Data...)
		}
		rest <- data
	}()
	p.toxic.Toxic.(toxics.CleanupToxic).Cleanup(p.stub)
	ended = p.stub.Closed()
	if !ended {
		p.stub.Close()
	}
	return <-rest, ended
}

// end closes the link and waits for the toxic.
func (p *pipe) end() {
	p.t.Helper()
	close(p.in)
	if chunk, open := <-p.out; open {
		p.t.Errorf("%d bytes at the end", len(chunk.Data))
	}
}

func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i % 251)
	}
	return data
}

// TestInterruptionsLoseNothing: at any time, also while nobody takes what comes
// out, and at the removal.
func TestInterruptionsLoseNothing(t *testing.T) {
	t.Parallel()
	for name, toxic := range map[string]func() toxics.Toxic{
		"silence of others": func() toxics.Toxic {
			Come("now")
			return &Silence{Until: "now"}
		},
		"delay":         func() toxics.Toxic { return &Delay{Delay: 50 * time.Millisecond, Jitter: 50 * time.Millisecond} },
		"pace":          func() toxics.Toxic { return &Pace{Rate: 10_000} },
		"slice":         func() toxics.Toxic { return &Slice{Bytes: 7} },
		"delayed slice": func() toxics.Toxic { return &Slice{Bytes: 7, Delay: time.Millisecond} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPipe(t, toxic())
				draw := rand.New(rand.NewPCG(1, 2))
				sent := pattern(20_000)
				for data := sent; len(data) > 0; {
					n := min(len(data), 1+draw.IntN(200))
					p.send(data[:n])
					data = data[n:]
				}
				var got []byte
				for len(got) < len(sent)/2 {
					switch draw.IntN(3) {
					case 0:
						p.interrupt()
					case 1:
						time.Sleep(time.Duration(draw.IntN(20)) * time.Millisecond)
					default:
						got = append(got, p.receive()...)
					}
				}
				passed, ended := p.remove()
				if ended {
					t.Error("the removal ended the link")
				}
				got = append(got, passed...)
				if !bytes.Equal(got, sent) {
					t.Errorf("%d bytes of %d came through as they were sent", len(got), len(sent))
				}
			})
		})
	}
}

// TestReceiverThatIsGoneAtTheRemoval: what cannot be handed over leaves a hole, so
// the link ends, and nobody waits for each chunk.
func TestReceiverThatIsGoneAtTheRemoval(t *testing.T) {
	t.Parallel()
	for name, toxic := range map[string]toxics.Toxic{"held": &Slice{Bytes: 1}, "waiting": &Delay{Delay: time.Minute}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPipe(t, toxic)
				for range 100 {
					p.send([]byte("xx"))
				}
				synctest.Wait()
				if !p.stub.InterruptToxic() {
					t.Fatal("the link has ended")
				}
				start := time.Now()
				p.toxic.Toxic.(toxics.CleanupToxic).Cleanup(p.stub)
				if !p.stub.Closed() || time.Since(start) > releaseTimeout {
					t.Errorf("after %s, the link is closed: %v", time.Since(start), p.stub.Closed())
				}
			})
		})
	}
}

// TestLinkThatEndedBeforeTheRemoval loses nothing. Toxiproxy passes its end on.
func TestLinkThatEndedBeforeTheRemoval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, &Delay{Delay: time.Minute})
		p.send([]byte("x"))
		p.send([]byte("y"))
		close(p.in)
		if passed, _ := p.remove(); string(passed) != "xy" {
			t.Errorf("%q passed at the removal", passed)
		}
	})
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		toxic toxics.Toxic
		text  string
		ok    bool
	}{
		{new(Silence), `{"until":""}`, true},
		{new(Silence), `{"since":""}`, false},
		{new(Silence), `{"until":1}`, false},
		{new(Delay), `{"delay":5,"jitter":5,"seed":18446744073709551615}`, true},
		{new(Delay), `{"delay":5,"jitter":6}`, false},
		{new(Delay), `{"delay":-1}`, false},
		{new(Delay), `{"delay":9223372036854775807,"jitter":9223372036854775807}`, false},
		{new(Delay), `{"latency":5}`, false},
		{new(Pace), `{"rate":1}`, true},
		{new(Pace), `{"rate":0}`, false},
		{new(Pace), `{}`, false},
		{new(Pace), `{"bandwidth":1}`, false},
		{new(Slice), `{"bytes":1,"delay":0}`, true},
		{new(Slice), `{"bytes":0}`, false},
		{new(Slice), `{"bytes":1,"delay":-1}`, false},
		{new(Slice), `{"average_size":1}`, false},
	} {
		if err := json.Unmarshal([]byte(c.text), c.toxic); (err == nil) != c.ok {
			t.Errorf("%T of %s: error %v, want ok %v", c.toxic, c.text, err, c.ok)
		}
	}
}

// FuzzAttributes: whatever is accepted can be used.
func FuzzAttributes(f *testing.F) {
	for _, text := range []string{`{"until":"x"}`, `{"delay":1,"jitter":1,"seed":3}`, `{"rate":9223372036854775807}`, `{"bytes":1,"delay":1}`, `null`, `[]`, `{`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		chunk := &stream.StreamChunk{Data: pattern(1000)}
		if d := new(Delay); json.Unmarshal(text, d) == nil {
			if got := d.drawn(rand.New(rand.NewPCG(1, 2))); got < 0 || got > 2*maxDelay {
				t.Errorf("a delay of %s from %s", got, text)
			}
		}
		if p := new(Pace); json.Unmarshal(text, p) == nil {
			if got := p.reserve(chunk); got.Size < 1 || got.Size > len(chunk.Data) {
				t.Errorf("a piece of %d bytes from %s", got.Size, text)
			}
		}
	})
}
