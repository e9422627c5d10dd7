// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"blackout/harness/store"
	"blackout/internal/s3front"
)

// view is one look at a store.
type view struct {
	spec    Spec
	at      Storage
	node    store.Answer // what the node would get
	control store.Answer // what an untouched account gets
}

// storeKind is how a store's fault is staged, and how it is told from a store
// that works and from other faults.
type storeKind struct {
	object   bool                              // it is about the snapshot alone, and needs one
	rule     func(Spec, Storage) s3front.Rule  // the effect; whom it is about is added
	possible func(view) error                  // why it cannot be staged on this snapshot
	inForce  func(view) bool                   // by what the node would read
	listed   func(view, []string) (other bool) // and by what it would list
}

// storeKinds are the kinds that a store front stages. The S3 errors are Amazon's:
// an expired session token is ExpiredToken, 400; an unknown access key
// InvalidAccessKeyId, 403; a clock that is off RequestTimeTooSkewed, 403, with a
// Date that shows it.
var storeKinds = map[Kind]storeKind{
	StoreRefuses: {
		rule:    func(Spec, Storage) s3front.Rule { return s3front.Rule{Effect: s3front.Refuse} },
		inForce: func(v view) bool { return v.node.Status == 0 && !errors.Is(v.node.Err, context.DeadlineExceeded) },
	},
	StoreHangs: {
		rule:    func(Spec, Storage) s3front.Rule { return s3front.Rule{Effect: s3front.Hang} },
		inForce: func(v view) bool { return v.node.Status == 0 && errors.Is(v.node.Err, context.DeadlineExceeded) },
	},
	StoreStatus: {
		rule: func(s Spec, _ Storage) s3front.Rule {
			return s3front.Rule{Effect: s3front.Fail, Status: s.Status, RetryAfter: s.RetryAfter}
		},
		inForce: func(v view) bool {
			told := v.node.Header.Get("Retry-After") != ""
			return refused(v, v.spec.Status, s3front.Code(v.spec.Status)) && told == (v.spec.RetryAfter > 0)
		},
	},
	StoreSkewed: {
		rule: func(s Spec, _ Storage) s3front.Rule {
			return s3front.Rule{Effect: s3front.Fail, Status: http.StatusForbidden, Code: "RequestTimeTooSkewed", Ahead: s.Delay}
		},
		inForce: func(v view) bool {
			date, err := http.ParseTime(v.node.Header.Get("Date"))
			return refused(v, http.StatusForbidden, "RequestTimeTooSkewed") && err == nil && time.Until(date) > v.spec.Delay/2
		},
	},
	StoreExpired:      refusal(http.StatusBadRequest, "ExpiredToken"),
	CredentialRevoked: refusal(http.StatusForbidden, "InvalidAccessKeyId"),
	StoreSlow: {
		rule:     func(s Spec, _ Storage) s3front.Rule { return s3front.Rule{Effect: s3front.Slow, Rate: s.Rate} },
		possible: longEnough,
		inForce:  slow,
	},
	StoreTruncated: {
		object: true,
		rule:   func(s Spec, _ Storage) s3front.Rule { return s3front.Rule{Effect: s3front.Truncate, Bytes: s.Bytes} },
		possible: func(v view) error {
			if v.control.Bytes <= v.spec.Bytes {
				return fmt.Errorf("the snapshot has %d bytes: let fewer through", v.control.Bytes)
			}
			return nil
		},
		inForce: func(v view) bool {
			n := v.node
			return n.Status == http.StatusOK && n.Err != nil && n.Bytes < n.Announced && n.Bytes <= v.spec.Bytes && n.Announced == v.control.Announced
		},
	},
	StoreFlipped: {
		object: true,
		rule:   func(s Spec, _ Storage) s3front.Rule { return s3front.Rule{Effect: s3front.Flip, Seed: s.Seed} },
		inForce: func(v view) bool {
			return v.node.Err == nil && v.node.Bytes == v.control.Bytes && v.node.Digest != v.control.Digest
		},
	},
	StoreEmpty: {
		object:  true,
		rule:    func(Spec, Storage) s3front.Rule { return s3front.Rule{Effect: s3front.Empty} },
		inForce: func(v view) bool { return v.node.Err == nil && v.node.Bytes == 0 && v.control.Bytes > 0 },
	},
	StoreStale: {
		object: true,
		rule:   func(_ Spec, at Storage) s3front.Rule { return s3front.Rule{Effect: s3front.Stale, Object: at.Older} },
		possible: func(v view) error {
			if v.at.Older == nil || store.Digest(v.at.Older.Body) == v.control.Digest {
				return fmt.Errorf("%w: no other, older state of the snapshot was seen", ErrCannotStage)
			}
			return nil
		},
		inForce: func(v view) bool { return v.node.Err == nil && v.node.Digest == store.Digest(v.at.Older.Body) },
	},
	StoreAltered: bogus(),
	StoreBare:    bogus(),
	StoreForeign: bogus(),
	StoreBomb:    bogus(),
	StoreOtherVersion: {
		object: true,
		rule: func(_ Spec, at Storage) s3front.Rule {
			return s3front.Rule{Effect: s3front.OtherVersion, Object: at.Other}
		},
		possible: func(v view) error {
			if v.at.Other == nil {
				return fmt.Errorf("%w: there is no other version's snapshot to show", ErrCannotStage)
			}
			return nil
		},
		inForce: func(v view) bool { return refused(v, http.StatusNotFound, "NoSuchKey") },
		listed: func(v view, keys []string) bool {
			return slices.Contains(keys, v.at.Other.Key) && !slices.Contains(keys, v.at.Key)
		},
	},
}

// refusal is a fault that refuses every request with one of S3's errors.
func refusal(status int, code string) storeKind {
	return storeKind{
		rule: func(Spec, Storage) s3front.Rule {
			return s3front.Rule{Effect: s3front.Fail, Status: status, Code: code}
		},
		inForce: func(v view) bool { return refused(v, status, code) },
	}
}

// bogus is a fault that gives an object which no exporter wrote.
func bogus() storeKind {
	return storeKind{
		object: true,
		rule:   func(_ Spec, at Storage) s3front.Rule { return s3front.Rule{Effect: s3front.Stale, Object: at.Bogus} },
		possible: func(v view) error {
			if v.at.Bogus == nil {
				return fmt.Errorf("%w: there is nothing to give in the snapshot's place", ErrCannotStage)
			}
			return nil
		},
		inForce: func(v view) bool { return v.node.Err == nil && v.node.Digest == store.Digest(v.at.Bogus.Body) },
	}
}

// refused says whether the node would get an error that an untouched account does
// not.
func refused(v view, status int, code string) bool {
	return v.node.Status == status && v.node.Code == code && v.control.Code != code
}

// arrivals is the least number of arrivals, of a twentieth of a second's bytes
// each, by which a rate can be measured.
const arrivals = 6

// longEnough says whether a snapshot takes so long at a rate that it can be
// measured.
func longEnough(v view) error {
	if least := v.spec.Rate * arrivals / 20; v.control.Bytes < least {
		return fmt.Errorf("the snapshot has %d bytes: %d bytes a second cannot be seen on less than %d", v.control.Bytes, v.spec.Rate, least)
	}
	return nil
}

// slow says whether the snapshot comes to the node at the fault's rate, and evenly:
// a single stall of the machine is not it.
func slow(v view) bool {
	flow := v.node.Flow
	return v.node.Status == http.StatusOK &&
		flow.Rate > 0 && flow.Rate <= 1.3*float64(v.spec.Rate) && flow.Pause <= flow.Lasted/2 &&
		(v.control.Flow.Rate == 0 || flow.Rate <= v.control.Flow.Rate/2)
}
