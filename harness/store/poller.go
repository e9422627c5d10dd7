// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Poller is an independent reader of what is under a prefix: it sees which objects
// there are, each state that it finds them in, and one that is torn.
type Poller struct {
	Store    Store
	Bucket   string
	Prefix   string
	Suffix   string        // of the keys of objects that it is interested in
	Interval time.Duration // between the beginnings of two looks

	// Saw is told of every change: an object that is there for the first time, is
	// another than before, cannot be read, or is gone. Calls follow each other.
	Saw func(Sight)

	// Failed is told when the keys could not be listed, once until they can be
	// again: then nothing is known of any object.
	Failed func(error)

	known   map[string]state
	blinded bool
}

// state is what is known of an object: how it was listed when it was last read,
// and what was read: its ETag, empty if the read did not come to its end.
type state struct {
	entry Entry
	etag  string
}

// Sight is an object as it was seen.
type Sight struct {
	Key         string
	Object      Object    // what came of it, if Err is not nil
	Err         error     // why it could not be read whole; ErrNotFound, wrapped: it is gone
	From, Until time.Time // of the look that saw it
}

// Run looks until ctx ends.
func (p *Poller) Run(ctx context.Context) {
	p.known = make(map[string]state)
	tick := time.NewTicker(p.Interval)
	defer tick.Stop()
	for {
		p.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look reads what is listed in another state than it was read in.
func (p *Poller) look(ctx context.Context) {
	from := time.Now()
	entries, err := p.Store.List(ctx, p.Bucket, under(p.Prefix))
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		if !p.blinded {
			p.Failed(err)
		}
		p.blinded = true
		return
	}
	p.blinded = false
	listed := make(map[string]bool, len(entries))
	for _, e := range entries {
		if !strings.HasSuffix(e.Key, p.Suffix) {
			continue
		}
		listed[e.Key] = true
		if was := p.known[e.Key]; was.entry != e || was.etag == "" {
			p.read(ctx, e, from)
		}
	}
	for key := range p.known {
		if !listed[key] {
			p.gone(key, from, fmt.Errorf("list %s/%s: %w", p.Bucket, key, ErrNotFound))
		}
	}
}

// read reads an object and tells of it, unless it is as it was.
func (p *Poller) read(ctx context.Context, e Entry, from time.Time) {
	object, err := p.Store.ReadObject(ctx, p.Bucket, e.Key)
	was, known := p.known[e.Key]
	switch {
	case ctx.Err() != nil:
		return // what a cut-short read says is about the cut-short read
	case errors.Is(err, ErrNotFound):
		p.gone(e.Key, from, err)
		return
	}
	now := state{entry: e}
	if err == nil {
		now.etag = object.ETag
	}
	p.known[e.Key] = now
	if !known || now.etag != was.etag {
		p.Saw(Sight{Key: e.Key, Object: object, Err: err, From: from, Until: time.Now()})
	}
}

// gone tells of an object that is no longer there, if it was ever seen.
func (p *Poller) gone(key string, from time.Time, err error) {
	if _, known := p.known[key]; !known {
		return
	}
	delete(p.known, key)
	p.Saw(Sight{Key: key, Err: err, From: from, Until: time.Now()})
}
