// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

// findsCanary says whether the clause's oracle finds its canary violated.
func (c clause) findsCanary() bool {
	s := tell()
	c.canary(s)
	return c.on(s).Status == Violated
}

// on judges the clause alone on a story.
func (c clause) on(s *story) Clause {
	source := s.recording().Source()
	alone := court{promises: []promise{{clauses: []clause{c}}}}
	v, findings, err := alone.hear(source)
	if err != nil {
		return Clause{ID: c.id, Status: Invalid, Reason: err.Error()}
	}
	void, unfinished := v.usable()
	return c.conclude(findings[0][0], v, void, unfinished)
}

// blind is the judgement of an oracle that did not find its canary.
func blind(judged Clause) Clause {
	judged.Status = Invalid
	judged.Reason = "its oracle does not find a violation that is known to be one"
	return judged
}
