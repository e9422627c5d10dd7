// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package toxic holds the toxics of Blackout's Toxiproxy that change what passes
// an edge, where Toxiproxy's own ones do not serve: [Silence], [Delay], [Pace] and
// [Slice]. Package blackout/internal/meter has the one that only counts.
//
// They differ from Toxiproxy's in four ways. They draw from a seed of their own,
// not from a global source. They can be interrupted at any time, also while the
// receiver takes nothing, so that adding or removing a toxic never waits for a
// stalled peer. They refuse attributes that they do not know or cannot use, with
// status 400, where Toxiproxy ignores them. And no byte is lost or reordered when
// they are removed, unless losing bytes is what they do.
//
// The central type is [Link], what a toxic keeps of one direction of one
// connection. Call [Register] once before Toxiproxy's server starts.
package toxic

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// Register makes the toxics known to Toxiproxy's servers of this process.
func Register() {
	toxics.Register(SilenceType, new(Silence))
	toxics.Register(DelayType, new(Delay))
	toxics.Register(PaceType, new(Pace))
	toxics.Register(SliceType, new(Slice))
}

// releaseTimeout bounds the hand-over of one chunk while a toxic is removed.
// Toxiproxy, which holds a lock meanwhile, would wait five seconds for each, also
// where the receiver is gone.
const releaseTimeout = time.Second

// Link is what a toxic keeps of one direction of one connection while it is
// interrupted and entered again. The zero value is a link that nothing came by.
type Link struct {
	held *stream.StreamChunk // received, and not yet passed on whole
	next Piece               // of held; undecided if Size is 0
}

// Piece is how much of a chunk goes on next, and when.
type Piece struct {
	Size int       // bytes, from 1 to those that are left
	Due  time.Time // zero: now
}

// Whole is a chunk that goes on as it came.
func Whole(chunk *stream.StreamChunk) Piece { return Piece{Size: len(chunk.Data)} }

// Pass passes on what comes, until it is interrupted or the link ends. It asks
// plan about each piece, once, with what is left of the chunk.
func (l *Link) Pass(stub *toxics.ToxicStub, plan func(left *stream.StreamChunk) Piece) {
	for {
		if l.held == nil && !l.take(stub) {
			return
		}
		if l.next.Size == 0 {
			l.next = plan(l.held)
		}
		if !await(stub, l.next.Due) || !l.give(stub) {
			return
		}
	}
}

// take receives the next chunk. It returns false when it was interrupted or the
// link has ended.
func (l *Link) take(stub *toxics.ToxicStub) bool {
	select {
	case <-stub.Interrupt:
		return false
	case chunk := <-stub.Input:
		if chunk == nil {
			stub.Close()
			return false
		}
		l.held = chunk
		return true
	}
}

// give passes the next piece on. It returns false when it was interrupted.
func (l *Link) give(stub *toxics.ToxicStub) bool {
	piece, left := l.held, (*stream.StreamChunk)(nil)
	if n := l.next.Size; n < len(piece.Data) {
		left = &stream.StreamChunk{Data: piece.Data[n:], Timestamp: piece.Timestamp}
		piece = &stream.StreamChunk{Data: piece.Data[:n], Timestamp: piece.Timestamp}
	}
	select {
	case <-stub.Interrupt:
		return false
	case stub.Output <- piece:
		l.held, l.next = left, Piece{}
		return true
	}
}

// await waits until a moment. It returns false when it was interrupted.
func await(stub *toxics.ToxicStub, due time.Time) bool {
	left := time.Until(due)
	if due.IsZero() || left <= 0 {
		return true
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-stub.Interrupt:
		return false
	case <-timer.C:
		return true
	}
}

// Release passes on what the link holds and what waits for it, when its toxic is
// removed. Where that is not possible the stream would have a hole, so the link is
// closed instead.
func (l *Link) Release(stub *toxics.ToxicStub) {
	if l.held != nil && stub.WriteOutput(l.held, releaseTimeout) != nil {
		stub.Close()
		return
	}
	l.held = nil
	for range len(stub.Input) {
		if chunk := <-stub.Input; chunk == nil || stub.WriteOutput(chunk, releaseTimeout) != nil {
			stub.Close()
			return
		}
	}
}

// decode reads attributes, all of which must be known.
func decode(text []byte, attributes any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(attributes)
}
