// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Source says where a configuration is read from.
type Source struct {
	Set     []string // "name=value" from the command line
	File    string   // path of a kong.conf; empty means the first of Search that exists
	Search  []string // may all be missing
	Environ []string // "KEY=value", as os.Environ gives it
}

// DefaultFiles is where Kong 3.9 looks for a kong.conf if it is told no other.
func DefaultFiles() []string { return []string{"/etc/kong/kong.conf", "/etc/kong.conf"} }

// sentence is an error in Kong's own words, which therefore names the parameter
// itself.
type sentence string

func (s sentence) Error() string { return string(s) }

// given is a value that somebody gave to a parameter.
type given struct {
	value  string
	origin string // for errors: "kong.conf line 3", "KONG_ROLE", "--set"
}

// Load reads and checks a configuration. The error is one line that says which
// parameter is wrong and why, and never shows a secret; where Kong has a
// sentence for it, it is Kong's.
func Load(source Source) (*Config, error) {
	all, err := source.collect()
	if err != nil {
		return nil, err
	}
	r := &reader{config: &Config{}, given: all, values: map[string]string{}}
	r.vault, err = newVault(all, source.Environ)
	if err != nil {
		return nil, err
	}
	if err := r.known(); err != nil {
		return nil, err
	}
	for i := range table() {
		if err := r.read(&table()[i]); err != nil {
			return nil, err
		}
	}
	if err := r.dynamic(); err != nil {
		return nil, err
	}
	err = r.check()
	slices.Sort(r.config.Ignored)
	return r.config, err
}

// Version is the gateway version that a node with this configuration would have.
// It looks at nothing else of the configuration.
func Version(source Source) (string, error) {
	all, err := source.collect()
	if err != nil {
		return "", err
	}
	value := DefaultVersion
	if g, ok := all["blackout_version"]; ok {
		value = g.value
	}
	var config Config
	if err := setVersion(&config, value); err != nil {
		return "", fmt.Errorf("blackout_version: %w", err)
	}
	return config.Version, nil
}

// collect merges what is given, the strongest last, under the parameters' names.
func (s Source) collect() (map[string]given, error) {
	all, err := s.file()
	if err != nil {
		return nil, err
	}
	for _, variable := range s.Environ {
		name, value, _ := strings.Cut(variable, "=")
		if key, ok := strings.CutPrefix(name, "KONG_"); ok && key != "" {
			all[strings.ToLower(key)] = given{value: strings.TrimSpace(value), origin: short(name)}
		}
	}
	for _, assignment := range s.Set {
		name, value, ok := strings.Cut(assignment, "=")
		name = strings.TrimSpace(name)
		if !ok || !isName(name) {
			return nil, errors.New("--set takes name=value, with the name of a parameter")
		}
		all[strings.ToLower(name)] = given{value: strings.TrimSpace(value), origin: "--set"}
	}
	return all, nil
}

// file reads the kong.conf, if there is one.
func (s Source) file() (map[string]given, error) {
	if s.File != "" {
		return readFile(s.File)
	}
	for _, path := range s.Search {
		if _, err := os.Stat(path); err == nil {
			return readFile(path)
		}
	}
	return map[string]given{}, nil
}

// reader fills a configuration.
type reader struct {
	config *Config
	given  map[string]given
	vault  vault
	values map[string]string // of all parameters of the table, resolved
}

// known refuses what is no parameter. A variable that a vault reference names is
// a secret and none, and so are the variables that Kubernetes makes for a
// service that is called kong-something.
func (r *reader) known() error {
	for _, name := range slices.Sorted(maps.Keys(r.given)) {
		g := r.given[name]
		_, isParameter := lookup(name)
		switch {
		case isParameter, namespaceOf(name) != nil:
		case g.origin == "KONG_"+strings.ToUpper(name) && (r.vault.names(g.origin) || isServiceLink(name, g.value)):
			delete(r.given, name)
		default:
			return unknown(name, g.origin)
		}
	}
	return nil
}

// read takes one parameter of the table into the configuration.
func (r *reader) read(p *parameter) error {
	value, shownAs := p.value, p.value
	if g, isGiven := r.given[p.name]; isGiven {
		resolved, err := r.vault.resolve(p, g.value)
		if err != nil {
			return err
		}
		value, shownAs = resolved, g.value
		if p.set == nil || p.inert {
			r.config.Ignored = append(r.config.Ignored, p.name)
		}
	}
	r.values[p.name] = value
	r.config.shown = append(r.config.shown, shown{p, shownAs})
	err := p.check(value)
	if err == nil && p.set != nil {
		err = p.set(r.config, value)
	}
	return p.explain(err, value != shownAs)
}

// explain makes the error one that names the parameter, and that shows nothing
// of a value that came through a reference.
func (p *parameter) explain(err error, referenced bool) error {
	var kongs sentence
	switch {
	case err == nil, errors.As(err, &kongs) && !referenced:
		return err
	case referenced && p.kind == enum:
		return fmt.Errorf("%s: what the reference resolves to is not one of %s", p.name, strings.Join(p.enum, ", "))
	case referenced:
		return fmt.Errorf("%s: what the reference resolves to is no valid value", p.name)
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

// dynamic takes the given parameters whose names only start as the table says.
func (r *reader) dynamic() error {
	for _, name := range slices.Sorted(maps.Keys(r.given)) {
		if _, isParameter := lookup(name); isParameter {
			continue
		}
		space := namespaceOf(name)
		p := &parameter{name: name, secret: space.secret}
		if _, err := r.vault.resolve(p, r.given[name].value); err != nil {
			return err
		}
		r.config.Ignored = append(r.config.Ignored, name)
		r.config.shown = append(r.config.shown, shown{p, r.given[name].value})
	}
	return nil
}
