// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"errors"
	"fmt"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// count keeps the books of what fails. A condition that does not hold is no
// failure, and neither is an object that is not there yet.
func (m *member) count(a reply) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.Kind == election.WriteSnapshot {
		m.told.writing = 0
		m.told.warning = ""
		switch {
		case errors.Is(a.err, bucket.ErrNotEncrypted):
			m.told.warning = a.err.Error()
		case a.err == nil && a.bytes > m.options.MaxBytes:
			m.told.warning = fmt.Sprintf("its %d bytes are more than blackout_fallback_max_size, which is %d: nodes set up like this one do not import it", a.bytes, m.options.MaxBytes)
		}
		m.told.sent, m.told.after = a.bytes, m.told.trouble[a.Kind].count
	}
	switch {
	case a.err == nil, a.Outcome == election.Conflict, a.Outcome == election.Absent:
		delete(m.told.trouble, a.Kind)
	default:
		m.told.fail(a.Kind, a.err, m.options.Now())
	}
}

// describe logs what a step noted, and brings the status up to date.
func (m *member) describe(notes []election.Note) {
	holder, deposed := m.state.Holder(), false
	for _, note := range notes {
		deposed = deposed || note.Event == election.Deposed
	}
	m.mu.Lock()
	led := m.led
	m.led = m.state.Role() == election.Leader
	m.told.Role = m.role()
	switch m.told.LeaderID, m.told.LeaderName = holder.ID, holder.Name; {
	case m.told.Role == Leader, m.told.Role == Alone:
		m.told.LeaderID, m.told.LeaderName = m.options.NodeID, m.options.Name
	case holder.Released || holder.Life == m.life: // this life's is over
		m.told.LeaderID, m.told.LeaderName = "", ""
	}
	letGo := led && !m.led && !deposed
	m.mu.Unlock()
	if letGo {
		m.options.Log.Info("fallback backup node leads no more: it let its lease go", "key", m.options.Key)
	}
	for _, note := range notes {
		m.tell(note)
	}
}

// role is what the member is. One whose lease has run out does not lead, even if it
// still tries to keep it.
func (m *member) role() Role {
	switch {
	case m.config.Alone:
		return Alone
	case m.state.Leads(time.Since(m.began)):
		return Leader
	case !m.asked:
		return Unknown
	}
	return Standby
}

// tell tells of one note.
func (m *member) tell(note election.Note) {
	log := m.options.Log.With("key", m.options.Key)
	switch note.Event {
	case election.BecameLeader:
		m.mu.Lock()
		m.told.Takeovers++
		m.mu.Unlock()
		if !m.config.Alone {
			log.Info("fallback backup node leads: it writes the configuration", "exporter", m.options.NodeID, "term", note.Epoch.Term)
		}
	case election.StandsBy:
		m.tellHolder(note)
	case election.Deposed:
		log.Warn("fallback backup node leads no more: it writes nothing", "term", note.Epoch.Term, "leader", note.Holder.ID, "leader_name", note.Holder.Name)
	case election.Wrote, election.Unchanged:
		m.tellExported(note)
	case election.Failed:
		m.tellFailed(note)
	case election.ForeignWriter:
		log.Warn("fallback configuration was written by a node that does not lead; use one backup node, or several that can elect one",
			"writer", orUnknown(note.Writer), "hash", orUnknown(note.Hash), "epoch", note.Epoch.String())
	case election.AsksAnew:
		log.Info("fallback configuration in the storage is another node's, or of this one's earlier life: asking the control plane anew before it is replaced",
			"writer", orUnknown(note.Writer), "hash", orUnknown(note.Hash), "epoch", note.Epoch.String())
	}
}

// orUnknown stands for what a snapshot does not tell of itself.
func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

// tellHolder tells who leads. That a control plane and a data plane both export is
// what Kong's documentation advises against.
func (m *member) tellHolder(note election.Note) {
	log := m.options.Log.With("key", m.options.Key, "leader", note.Holder.ID, "leader_name", note.Holder.Name, "term", note.Epoch.Term)
	if note.Holder.ID == m.options.NodeID && note.Holder.Life != m.life {
		log.Warn("another backup node with this node's id leads; give each node an id of its own")
		return
	}
	if theirs := m.holderRole; theirs != "" && m.options.Role != "" && theirs != m.options.Role {
		log.Warn("fallback configuration is exported by a "+theirs+" too, which leads; this node stands by. Export from one kind of node only",
			"leader_role", theirs)
		return
	}
	log.Info("fallback backup node stands by: another one leads")
}

func (m *member) tellExported(note election.Note) {
	_, version, _ := m.state.Snapshot()
	m.mu.Lock()
	failures := max(m.told.after, m.told.trouble[election.WriteSnapshot].count)
	news := m.told.ExportedHash != note.Hash || note.Event == election.Wrote
	m.told.exported(note, version, m.options.Now())
	warning, sent := m.told.warning, m.told.sent
	m.mu.Unlock()
	log := m.options.Log.With("key", m.options.Key, "hash", note.Hash, "epoch", note.Epoch.String(), "version", version)
	switch {
	case note.Event == election.Wrote && warning != "":
		log.Error("fallback configuration exported, but not as asked", "error", warning)
	case note.Event == election.Wrote:
		log.Info("fallback configuration exported", "bytes", sent, "failed_attempts", failures)
	case news:
		log.Info("fallback configuration not exported: the storage holds it already")
	}
}

// tellLeft tells of a configuration that this node did not write before its end.
func (m *member) tellLeft() {
	if !m.state.Pending() {
		return
	}
	m.mu.Lock()
	others, leader, name := m.told.isOthers(), m.told.LeaderID, m.told.LeaderName
	m.mu.Unlock()
	log := m.options.Log.With("key", m.options.Key, "hash", m.taken.Hash)
	if others {
		log.Info("fallback configuration left to the backup node that leads", "leader", leader, "leader_name", name)
		return
	}
	log.Warn("fallback configuration not exported: this backup node ends, and none is known to lead")
}

// tellFailed tells of the first failure of a row. A claim that fails again and
// again is one, although the reads between do not.
func (m *member) tellFailed(note election.Note) {
	m.mu.Lock()
	failed := m.told.trouble[note.Kind]
	m.mu.Unlock()
	if failed.count != 1 {
		return
	}
	log := m.options.Log.With("error", failed.last)
	switch note.Kind {
	case election.ReadLease, election.WriteLease:
		log.Error("fallback lease cannot be kept; trying until it can", "key", m.leaseKey())
	case election.HeadSnapshot:
		log.Error("fallback configuration not exported: what the storage holds could not be asked; trying until it can", "key", m.options.Key)
	case election.WriteSnapshot:
		log.Error("fallback configuration not exported; retrying until it is", "key", m.options.Key, "hash", note.Hash)
	}
}
