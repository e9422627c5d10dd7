// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"blackout/harness/history"
)

// noticesSilence judges running data planes whose connection says nothing any more,
// and has not ended, while new ones work. Nothing but the silence tells them.
func noticesSilence(v *view, f *finding) {
	f.missing = "no running data plane's connection fell silent for long enough while new ones worked"
	p := v.header.Profile
	limit := p.Silence + p.PingInterval + p.ReconnectMax + p.DialTimeout + attemptSlack
	for _, r := range v.residents(func(n *node) []*fault { return v.faultsOf(n, "half-open") }) {
		for _, cut := range r.faults {
			until := min(cut.heal, r.end, v.end)
			dials := v.dialled(r.node, v.cpEdge(r.node), cut.inject, until)
			silent := until
			if len(dials) > 0 {
				silent = dials[0]
			}
			due := cut.active + history.Time(limit+v.control.kept(r.Name, cut.active, silent))
			if cut.active == never || v.down(r.node, cut.inject, min(due, until)) {
				continue
			}
			if len(dials) == 0 && until < due {
				continue
			}
			f.rests = append(f.rests, cut)
			f.opportunities++
			if len(dials) == 0 || dials[0] > due {
				f.undone.add(r.tells(due, "", "took a silent connection for a good one: it did not dial anew within %s", seconds(limit)).on(v.cpEdge(r.node)))
				continue
			}
			f.good.add(r.tells(dials[0], history.EdgeConnect, "dialled anew %s after its connection fell silent", seconds(dials[0].Sub(cut.active))).on(v.cpEdge(r.node)))
		}
	}
}
