// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import "io"

// Text writes what became of a one-off export for people.
func (r Replacement) Text(w io.Writer) error {
	var p page
	p.line(0, "storage", "%s", r.Storage)
	p.line(0, "from", "%s, hash %s, %s", r.From, r.Hash, counts(r.Entities))
	if r.Replaces == nil {
		p.line(0, "replaces", "nothing: there is no snapshot of %s", r.Version)
	} else {
		r.Replaces.text(&p)
	}
	if r.Difference != nil && r.Outcome != Unchanged {
		p.line(0, "changes", "%s", r.Difference.counts())
		r.Difference.lines(&p, 1)
	}
	for _, warning := range r.Warnings {
		p.line(0, "warning", "%s", warning)
	}
	switch r.Outcome {
	case Written:
		p.item(0, "written: %s, %d bytes, epoch %s", r.Key, r.Bytes, r.Epoch)
	case Unchanged:
		p.item(0, "nothing to do: the bucket holds this configuration already")
	case WouldBe:
		p.item(0, "would write %s, %d bytes; nothing was written", r.Key, r.Bytes)
	case Refused:
		p.item(0, "refused: this would replace a snapshot that holds something; --force does it all the same")
	}
	return p.to(w)
}
