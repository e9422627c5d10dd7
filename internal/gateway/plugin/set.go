// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"blackout/internal/gateway/entity"
)

// Options set up a [Set].
type Options struct {
	// Counters of the rate limits. They outlive a configuration.
	Counters *Counters

	// Enabled are the plugins that may run; nil: all that there are here.
	Enabled []string

	// Now is when the configuration is put together; the zero value means now.
	Now time.Time
}

// Set is every plugin of one configuration. It is immutable and safe for
// concurrent use.
type Set struct {
	names      []scopes           // by kind
	people     map[string]*people // by workspace
	workspaces func(entity.Record) string
	elsewhere  map[string]string      // the workspaces of the routes outside of the default one
	service    map[serviceScope]Chain // of services, whose routes share it
	build      *builder
}

// people are the consumers of a workspace, with their keys.
type people struct {
	consumers map[string]*Consumer // by id and by username
	keys      map[string]credential
}

// serviceScope is what routes without plugins of their own share.
type serviceScope struct{ workspace, service string }

// Chain is the plugins of one route, by kind. Nil means none.
type Chain []slot

// slot is the plugin of one kind: the instance for requests without a consumer,
// and where those with one may have another.
type slot struct {
	plain     Plugin
	others    *scopes
	workspace string // of the route
}

// scope is what a plugin is bound to; empty ids bind to nothing. One that is bound
// to nothing is for everything in its workspace; the others need none, for ids are
// unique.
type scope struct{ workspace, route, service, consumer string }

// scopes are the instances of one kind.
type scopes struct {
	byScope     map[scope]Plugin
	byConsumer  bool            // some instance is bound to a consumer
	routeExists map[string]bool // routes that have instances of their own
}

// forRequests reports whether a plugin runs for requests, and not for streams
// only. Which of http, https, grpc and grpcs its protocols name does not matter to
// Kong 3.9: one that is for https only asks for a key over http, too.
func forRequests(row entity.Record) bool {
	protocols := row.Texts("protocols")
	return len(protocols) == 0 || slices.ContainsFunc(protocols, func(protocol string) bool {
		return strings.HasPrefix(protocol, "http") || strings.HasPrefix(protocol, "grpc")
	})
}

// builder is what plugins are made with.
type builder struct {
	options Options
	people  *people // of the plugin's workspace
	scope   scope
}

// credential is a key of key-auth.
type credential struct {
	id       string
	consumer *Consumer
	expires  time.Time // zero: never
}

// firstTime is the least ttl, in seconds, that is a time rather than a duration: a
// control plane hands out when a credential expires, in Unix seconds (recorded of
// Kong 3.9.1), and a declarative file says how long it lasts from now.
const firstTime = 1_000_000_000

func expiry(row entity.Record, now time.Time) time.Time {
	switch ttl := row.Integer("ttl"); {
	case ttl <= 0:
		return time.Time{}
	case ttl < firstTime:
		return now.Add(time.Duration(ttl) * time.Second)
	default:
		return time.Unix(int64(ttl), 0)
	}
}

// NewSet makes the plugins of a configuration. A plugin that is not known, not enabled,
// or configured for something that is not supported, is refused: to leave it out
// could open a route that asks for a key.
func NewSet(table *entity.Table, options Options) (*Set, error) {
	if options.Counters == nil {
		options.Counters = NewCounters()
	}
	if options.Now.IsZero() {
		options.Now = time.Now()
	}
	set := &Set{names: make([]scopes, len(kinds)), service: map[serviceScope]Chain{}, people: map[string]*people{},
		workspaces: table.Workspaces(), elsewhere: map[string]string{}}
	for _, route := range table.Routes {
		if workspace := set.workspaces(route); workspace != "" {
			set.elsewhere[route.ID()] = workspace
		}
	}
	set.build = &builder{options: options}
	if err := set.readConsumers(table); err != nil {
		return nil, err
	}
	for i, row := range table.Rows("plugins") {
		if enabled, given := row["enabled"].(bool); given && !enabled {
			continue
		}
		if err := set.add(row); err != nil {
			return nil, fmt.Errorf("plugins.%d: plugin '%s': %w", i+1, row.Name(), err)
		}
	}
	return set, nil
}

func (s *Set) readConsumers(table *entity.Table) error {
	rows := table.Rows("consumers")
	for workspace, count := range s.count(rows) {
		s.in(workspace).consumers = make(map[string]*Consumer, 2*count)
	}
	for _, row := range rows {
		consumer := &Consumer{ID: row.ID(), Username: row.Text("username"), CustomID: row.Text("custom_id")}
		consumers := s.in(s.workspaces(row)).consumers
		consumers[consumer.ID] = consumer
		if consumer.Username != "" {
			consumers[consumer.Username] = consumer
		}
	}
	rows = table.Rows("keyauth_credentials")
	for workspace, count := range s.count(rows) {
		s.in(workspace).keys = make(map[string]credential, count)
	}
	for i, row := range rows {
		consumer := s.consumer(row.Reference("consumer"))
		if consumer == nil {
			return fmt.Errorf("keyauth_credentials.%d: its consumer '%s' is not there", i+1, row.Reference("consumer"))
		}
		s.in(s.workspaces(row)).keys[row.Text("key")] = credential{row.ID(), consumer, expiry(row, s.build.options.Now)}
	}
	return nil
}

// count says how many of the rows are in each workspace.
func (s *Set) count(rows []entity.Record) map[string]int {
	counts := map[string]int{}
	for _, row := range rows {
		counts[s.workspaces(row)]++
	}
	return counts
}

// in returns the people of a workspace.
func (s *Set) in(workspace string) *people {
	known := s.people[workspace]
	if known == nil {
		known = &people{}
		s.people[workspace] = known
	}
	return known
}

// consumer returns the one with an id, nil if there is none.
func (s *Set) consumer(id string) *Consumer {
	for _, known := range s.people {
		if found := known.consumers[id]; found != nil && found.ID == id {
			return found
		}
	}
	return nil
}

func (s *Set) add(row entity.Record) error {
	index := kindIndex(row.Name())
	if index < 0 {
		return fmt.Errorf("cannot be run by this data plane; it has %v", Names())
	}
	if enabled := s.build.options.Enabled; enabled != nil && !slices.Contains(enabled, row.Name()) {
		return errors.New("not enabled; add it to the 'plugins' configuration property") // Kong 3.9's words
	}
	workspace := s.workspaces(row)
	where := scope{"", row.Reference("route"), row.Reference("service"), row.Reference("consumer")}
	if where == (scope{}) {
		where.workspace = workspace
	}
	s.build.scope, s.build.people = where, s.in(workspace)
	plugin, err := kinds[index].make(section(row, "config"), s.build)
	if err != nil {
		return err
	}
	if !forRequests(row) {
		return nil
	}
	of := &s.names[index]
	if of.byScope == nil {
		of.byScope, of.routeExists = map[scope]Plugin{}, map[string]bool{}
	}
	of.byScope[where] = plugin
	of.byConsumer = of.byConsumer || where.consumer != ""
	if where.route != "" {
		of.routeExists[where.route] = true
	}
	return nil
}

// find returns the instance for a request, nil if there is none: the one with
// the most specific scope (Kong 3.9's order).
func (s *scopes) find(workspace, route, service, consumer string) Plugin {
	order := [...]scope{
		{"", route, service, consumer}, {"", route, "", consumer}, {"", "", service, consumer}, {"", route, service, ""},
		{"", "", "", consumer}, {"", route, "", ""}, {"", "", service, ""}, {workspace: workspace},
	}
	for i, where := range order {
		byConsumer := i < 3 || i == 4
		if byConsumer && consumer == "" {
			continue
		}
		nothing := i < len(order)-1 && where == scope{} // of a route without a service
		if found := s.byScope[where]; found != nil && !nothing {
			return found
		}
	}
	return nil
}

// Chain returns the plugins of a route. It is called while a configuration is
// built, not for requests, and not by several goroutines at a time.
func (s *Set) Chain(route, service string) Chain {
	workspace, own := s.elsewhere[route], false
	for i := range s.names {
		own = own || s.names[i].routeExists[route]
	}
	if own {
		return s.chain(workspace, route, service)
	}
	of := serviceScope{workspace, service}
	chain, known := s.service[of]
	if !known {
		chain = s.chain(workspace, "", service)
		s.service[of] = chain
	}
	return chain
}

func (s *Set) chain(workspace, route, service string) Chain {
	var chain Chain
	for i := range s.names {
		of := &s.names[i]
		if of.byScope == nil {
			continue
		}
		found := slot{plain: of.find(workspace, route, service, ""), workspace: workspace}
		if of.byConsumer {
			found.others = of
		}
		if found.plain != nil || found.others != nil {
			chain = append(chain, found)
		}
	}
	return chain
}

// Access runs the access phase of a route's plugins and returns the answer of
// the first that gives one, nil if the request goes on to its service.
func (c Chain) Access(x *Exchange) *Answer {
	for i := range c {
		found := c[i].plain
		if c[i].others != nil && x.Consumer != nil {
			found = c[i].others.find(c[i].workspace, x.Route, x.Service, x.Consumer.ID)
		}
		if found == nil {
			continue
		}
		if responder, ok := found.(Responder); ok {
			x.responders = append(x.responders, responder)
		}
		if answer := found.Access(x); answer != nil {
			return answer
		}
	}
	return nil
}
