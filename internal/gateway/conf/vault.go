// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

const referenceStart = "{vault://"

// vault resolves references to the environment, as Kong 3.9's env vault does:
// {vault://env/pg-password} is the variable PG_PASSWORD, and
// {vault://env/pg/password} the member password of the JSON object in PG. A
// prefix, of vault_env_prefix or of the reference itself (?prefix=secret-), goes
// before the name.
type vault struct {
	variables map[string]string
	prefix    string
	named     map[string]bool // variables that some reference names
}

// reference is one that was understood.
type reference struct {
	text     string
	variable string
	member   string // of the JSON object there; empty means the whole value
}

func newVault(all map[string]given, environ []string) (vault, error) {
	v := vault{variables: map[string]string{}, prefix: all["vault_env_prefix"].value, named: map[string]bool{}}
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok {
			v.variables[name] = value
		}
	}
	if strings.Contains(v.prefix, referenceStart) {
		return vault{}, fmt.Errorf("vault_env_prefix: must not be a reference itself")
	}
	for _, g := range all {
		for _, element := range strings.Split(g.value, ",") {
			if r, err := v.parse(element); err == nil {
				v.named[r.variable] = true
			}
		}
	}
	return v, nil
}

// names reports whether a reference names the variable.
func (v vault) names(variable string) bool { return v.named[variable] }

// resolve replaces the references in a parameter's value: the whole value, or
// the elements of a list. The error never shows what was found.
func (v vault) resolve(p *parameter, value string) (string, error) {
	if !strings.Contains(value, referenceStart) {
		return value, nil
	}
	elements := []string{value}
	if p.kind.isList() {
		elements = strings.Split(value, ",")
	}
	for i, element := range elements {
		if !strings.HasPrefix(strings.TrimSpace(element), referenceStart) {
			continue
		}
		resolved, err := v.lookup(element)
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.name, err)
		}
		elements[i] = resolved
	}
	return strings.Join(elements, ","), nil
}

// parse reads {vault://env/<name>[/<member>][?prefix=<prefix>][#<version>]}.
func (v vault) parse(text string) (reference, error) {
	text = strings.TrimSpace(text)
	inside, ok := strings.CutPrefix(text, referenceStart)
	if !ok || !strings.HasSuffix(inside, "}") {
		return reference{}, fmt.Errorf("the reference %s does not end with a brace", short(text))
	}
	location, err := url.Parse("vault://" + strings.TrimSuffix(inside, "}"))
	if err != nil {
		return reference{}, fmt.Errorf("the reference %s is no URL", short(text))
	}
	if location.Host != "env" {
		return reference{}, fmt.Errorf("the reference %s names the vault %q; only env is available here", short(text), short(location.Host))
	}
	name, member, _ := strings.Cut(strings.TrimPrefix(location.Path, "/"), "/")
	if name == "" {
		return reference{}, fmt.Errorf("the reference %s names no secret", short(text))
	}
	prefix := v.prefix
	if query := location.Query(); query.Has("prefix") {
		prefix = query.Get("prefix")
	}
	variable := strings.ToUpper(strings.ReplaceAll(prefix+name, "-", "_"))
	return reference{text: short(text), variable: variable, member: member}, nil
}

func (v vault) lookup(text string) (string, error) {
	r, err := v.parse(text)
	if err != nil {
		return "", err
	}
	value, ok := v.variables[r.variable]
	if !ok {
		return "", fmt.Errorf("the reference %s cannot be resolved: there is no variable %s", r.text, short(r.variable))
	}
	if r.member == "" {
		return strings.TrimSpace(value), nil
	}
	var object map[string]any
	if json.Unmarshal([]byte(value), &object) != nil {
		return "", fmt.Errorf("the reference %s cannot be resolved: %s holds no JSON object", r.text, short(r.variable))
	}
	switch member := object[r.member].(type) {
	case string:
		return member, nil
	case bool, float64:
		return fmt.Sprint(member), nil
	}
	return "", fmt.Errorf("the reference %s cannot be resolved: the JSON object in %s has no such text", r.text, short(r.variable))
}
