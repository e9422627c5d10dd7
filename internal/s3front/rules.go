// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"net/http"
	"slices"
	"sync"
)

// Usage is how many requests have met a rule.
type Usage struct {
	Met    int `json:"met"`    // requests of the account itself
	Probed int `json:"probed"` // requests that were sent to see what it meets
}

// placed is a rule in force.
type placed struct {
	Rule
	id      string
	usage   Usage
	deleted chan struct{} // closed when it is no longer in force
}

// rules are those in force, in the order in which they were put.
type rules struct {
	mu   sync.Mutex
	list []*placed
}

// put puts a rule in force, in place of the one with its id if there is one.
func (r *rules) put(id string, rule Rule) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(id)
	r.list = append(r.list, &placed{Rule: rule, id: id, deleted: make(chan struct{})})
}

// remove takes a rule out of force, and says whether there was one.
func (r *rules) remove(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drop(id)
}

// drop needs the lock.
func (r *rules) drop(id string) bool {
	i := slices.IndexFunc(r.list, func(p *placed) bool { return p.id == id })
	if i < 0 {
		return false
	}
	close(r.list[i].deleted)
	r.list = slices.Delete(r.list, i, i+1)
	return true
}

// meet is the first rule that a request meets, nil if none. A probe meets also a
// rule whose count is used up, and does not use it up.
func (r *rules) meet(account string, request *http.Request, probe bool) *placed {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.list {
		spent := p.Count > 0 && p.usage.Met >= p.Count
		switch {
		case !p.matches(account, request):
		case probe:
			p.usage.Probed++
			return p
		case !spent:
			p.usage.Met++
			return p
		}
	}
	return nil
}

// usage is how often a rule was met; false if there is none with the id.
func (r *rules) usage(id string) (Usage, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.list {
		if p.id == id {
			return p.usage, true
		}
	}
	return Usage{}, false
}
