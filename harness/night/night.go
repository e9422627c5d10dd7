// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package night fills a given time with runs, and keeps what came of them. Its
// central type is [Night]: what is done is drawn from the seed by [Draw], before
// anything starts; each run is noted when it has ended; and each night is one line of
// a history.
package night

import (
	"fmt"
	"time"

	"blackout/harness"
	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// Overhead is what a run takes beside its planned steps, at most: start, judgement,
// end.
const Overhead = 30 * time.Second

// longNight is from when on the soak has the timers of a Kong: it takes 25 minutes then.
const longNight = 90 * time.Minute

// nemesisShare is the part of a night that the nemesis gets, if that is enough for one
// round.
const nemesisShare = 3

// Item is one run of a night.
type Item struct {
	Number   int           `json:"number"` // from 1
	Scenario string        `json:"scenario"`
	Rounds   int           `json:"rounds,omitempty"` // of the nemesis
	Seed     uint64        `json:"seed"`
	Timers   string        `json:"timers"`
	Length   time.Duration `json:"length"` // of its plan
}

// String is what a night's plan prints.
func (i Item) String() string {
	name := i.Scenario
	if i.Rounds > 0 {
		name += fmt.Sprintf(" (%d rounds)", i.Rounds)
	}
	return fmt.Sprintf("%2d  %-28s  seed %-10d  timers %s, %s planned", i.Number, name, i.Seed, i.Timers, i.Length)
}

// Choice are the scenarios that a night is drawn from.
type Choice struct {
	All        []harness.Scenario
	Nemesis    harness.Scenario // may be told how many rounds it has
	Soak       harness.Scenario
	ShortSoak  harness.Scenario
	MostRounds int // of the nemesis
}

// Draw draws a night's plan: the nemesis with the timers of a Kong and as many rounds
// as fit into its share, a soak, and the other scenarios with fast timers in drawn
// orders, each with a seed of its own, one order after the other until the time is
// filled. A night that is too short for a scenario leaves it out.
func Draw(seed uint64, budget time.Duration, c Choice) ([]Item, error) {
	d := &drawing{source: plan.NewSource(seed), left: budget}
	if err := d.nemesis(budget/nemesisShare, c); err != nil {
		return nil, err
	}
	soak, timers := c.ShortSoak, "fast"
	if budget >= longNight {
		soak, timers = c.Soak, "kong"
	}
	if _, err := d.add(soak, timers, 0); err != nil {
		return nil, err
	}
	for order := 1; ; order++ {
		added := false
		for _, i := range d.source.Shuffle(fmt.Sprintf("order %d", order), names(c.All)) {
			if i == c.Soak.Name || i == c.ShortSoak.Name || i == c.Nemesis.Name {
				continue
			}
			fits, err := d.add(find(c.All, i), "fast", 0)
			if err != nil {
				return nil, err
			}
			added = added || fits
		}
		if !added {
			return d.items, nil
		}
	}
}

// drawing is a night's plan in the making.
type drawing struct {
	source plan.Source
	left   time.Duration
	items  []Item
}

// nemesis adds the nemesis with the most rounds that fit into a share of the night.
func (d *drawing) nemesis(share time.Duration, c Choice) error {
	seed := d.seed()
	for rounds := c.MostRounds; rounds > 0; rounds-- {
		s, err := c.Nemesis.WithRounds(rounds)
		if err != nil {
			return err
		}
		s.Budget = share
		p, err := s.NewPlan(seed, topology.Profiles["kong"])
		if err == nil && p.Length()+Overhead <= share {
			_, err = d.add(s, "kong", rounds)
			return err
		}
	}
	s, err := c.Nemesis.WithRounds(1)
	if err == nil {
		_, err = d.add(s, "fast", 1)
	}
	return err
}

func (d *drawing) seed() uint64 {
	return uint64(d.source.Between(fmt.Sprintf("seed of run %d", len(d.items)+1), 1, 1<<31-1))
}

// add adds a scenario if there is time for it, and says whether there was.
func (d *drawing) add(s harness.Scenario, timers string, rounds int) (bool, error) {
	seed := d.seed()
	p, err := s.NewPlan(seed, profile(timers))
	if err != nil {
		return false, fmt.Errorf("plan of %s: %w", s.Name, err)
	}
	if p.Length()+Overhead > d.left {
		return false, nil
	}
	d.left -= p.Length() + Overhead
	d.items = append(d.items, Item{Number: len(d.items) + 1, Scenario: s.Name, Rounds: rounds, Seed: seed, Timers: timers, Length: p.Length()})
	return true, nil
}

func profile(name string) history.Profile { return topology.Profiles[name] }

func names(all []harness.Scenario) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = s.Name
	}
	return out
}

func find(all []harness.Scenario, name string) harness.Scenario {
	for _, s := range all {
		if s.Name == name {
			return s
		}
	}
	return harness.Scenario{}
}
