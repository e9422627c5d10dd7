// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// maxLease is the largest lease object that is read, in bytes.
const maxLease = 64 << 10

// leaseObject is the lease as it is stored.
type leaseObject struct {
	election.Lease
	Role string `json:"role,omitempty"` // of the node, for people
}

func (m *member) readLease(ctx context.Context) reply {
	object, err := m.options.Bucket.Get(ctx, m.leaseKey(), maxLease)
	if errors.Is(err, bucket.ErrTooLarge) {
		object.Info, err = m.options.Bucket.Head(ctx, m.leaseKey())
	}
	a := answered(err)
	if err != nil {
		return a
	}
	a.Version = object.Version
	var read leaseObject
	// What is no lease is held by nobody that could renew it: it runs out.
	if json.Unmarshal(object.Body, &read) == nil {
		a.Lease, a.role = read.Lease, read.Role
	}
	return a
}

func (m *member) writeLease(ctx context.Context, r election.Request) reply {
	r.Lease.Name = m.options.Name
	body, err := json.Marshal(leaseObject{Lease: r.Lease, Role: m.options.Role})
	if err != nil {
		return answered(fmt.Errorf("encode the lease: %w", err))
	}
	version, err := m.options.Bucket.Put(ctx, m.leaseKey(), bucket.BodyOf(body), bucket.PutOptions{If: r.If, Transient: true})
	return written(r, version, err)
}

// answered is the answer that an error makes, or its absence.
func answered(err error) reply {
	outcome, after := outcomeOf(err)
	return reply{Answer: election.Answer{Outcome: outcome, After: after}, err: err}
}

// written is the answer to a write. Where one that needs no object finds none, the
// bucket is not there.
func written(r election.Request, version string, err error) reply {
	a := answered(err)
	a.Version = version
	if _, versioned := r.If.Version(); a.Outcome == election.Absent && !versioned {
		a.Outcome = election.Denied
	}
	return a
}

func (m *member) writeSnapshot(ctx context.Context, r election.Request, newest *offer, last sighting) reply {
	if newest.Number != r.Offer {
		return answered(fmt.Errorf("write the snapshot: offer %d is to be written, and the newest is %d", r.Offer, newest.Number))
	}
	if err := m.mayReplace(ctx, last, newest.parts.cluster); err != nil {
		a := answered(err)
		a.seen = last
		return a
	}
	noted := Bookkeeping{Cluster: newest.parts.cluster, Hash: r.Wrote.Hash, Time: m.options.Now(), Exporter: r.Wrote.ID, Epoch: r.Wrote.Epoch, Life: r.Wrote.Life}
	body, err := newest.parts.stamp(newest.table, noted.comment())
	if err != nil {
		return answered(err)
	}
	sum := body.SHA256()
	noted.SHA256 = hex.EncodeToString(sum[:])
	version, err := m.options.Bucket.Put(ctx, m.options.Key, body, bucket.PutOptions{If: r.If, Metadata: noted.metadata()})
	a := written(r, version, err)
	a.bytes, a.seen = body.Size(), sighting{version: version, known: true, content: r.Wrote, cluster: newest.parts.cluster}
	return a
}

// detect finds out whether there can be an election, and says so if not. While the
// store cannot be asked it goes on asking; an error says that work has ended.
func (e *Exporter) detect(ctx, work context.Context) (alone bool, err error) {
	if e.options.Alone {
		e.options.Log.Warn("fallback election is switched off: only one backup node may be used", "key", e.options.Key)
		return true, nil
	}
	asked := probe{bucket: e.options.Bucket, key: electionKey(e.options.Key, "probe.json")}
	for wait := e.options.RetryMin; ; wait = min(2*wait, e.options.RetryMax) {
		honoured, err := e.attempt(work, &asked)
		switch {
		case err == nil && !honoured:
			e.options.Log.Warn("the fallback storage does not keep to conditions of writes, so there can be no election: only one backup node may be used",
				"key", e.options.Key)
			return true, nil
		case err == nil:
			return false, nil
		case work.Err() != nil:
			return false, err
		}
		if e.pause(ctx, work, wait) != nil {
			return false, err
		}
	}
}

// attempt asks the probe once, and keeps the books of failures.
func (e *Exporter) attempt(work context.Context, asked *probe) (bool, error) {
	ctx, cancel := context.WithTimeout(work, e.options.PutTimeout)
	defer cancel()
	honoured, err := asked.ask(ctx)
	first := e.countProbe(err)
	if err != nil && first {
		e.options.Log.Error("fallback configuration not exported: the storage could not be asked about an election; asking until it answers",
			"object", asked.key, "error", err)
	}
	return honoured, err
}

// probing is the kind of request that asks for conditions, in the books of failures.
const probing election.Kind = 0

func (e *Exporter) countProbe(err error) (first bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		delete(e.told.trouble, probing)
		return false
	}
	return e.told.fail(probing, err, e.options.Now())
}

// pause waits between attempts; half of the wait is drawn. The end of ctx cuts it
// short once: what is pending then gets its last attempts at the shortest interval.
func (e *Exporter) pause(ctx, work context.Context, d time.Duration) error {
	d = d/2 + time.Duration(e.random.Float64()*float64(d)/2)
	if ctx.Err() != nil {
		return sleep(work, min(d, e.options.RetryMin))
	}
	if sleep(ctx, d) != nil {
		return sleep(work, 0)
	}
	return nil
}
