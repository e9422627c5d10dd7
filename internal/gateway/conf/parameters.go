// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// kind is how a parameter's text is read, and its type in JSON.
type kind int

const (
	textKind    kind = iota
	boolean          // on and true are true, everything else is false
	directive        // on or off, kept as text: it goes into nginx's configuration
	number           // with decimals if need be
	enum             // one of the values
	listKind         // separated by commas
	listenKind       // "off", or a list of host:port with flags
	pemKind          // a path, PEM text, or PEM text in base64
	pemListKind      // a list of them
	spanKind         // a duration in Go's syntax; parameters of ours alone
)

// String is the kind's name in the documentation.
func (k kind) String() string {
	return [...]string{"text", "boolean", "on, off", "number", "one of", "list", "listeners", "PEM", "list of PEM", "duration"}[k]
}

func (k kind) isList() bool { return k == listKind || k == listenKind || k == pemListKind }

// setter stores a parameter's text in the configuration.
type setter = func(c *Config, value string) error

// parameter is one line of the table.
type parameter struct {
	name  string
	kind  kind
	value string // Kong's default, as it would be written in the file
	enum  []string
	about string // for the documentation

	secret     bool // never shown
	enterprise bool // Kong Enterprise's; open-source Kong does not know it

	// set stores the value; without it the parameter has no effect.
	set setter

	// inert: the value is checked and kept in [Config], but no part of the node
	// uses it yet.
	inert bool
}

// section is a part of the table, with its heading in the documentation.
type section struct {
	title string
	lines []parameter
}

// sections are the table. A setter may look at what the lines before it stored.
func sections() []section {
	return []section{
		{"Node", nodeParameters()},
		{"Hybrid mode", clusterParameters()},
		{"Fallback configuration", fallbackParameters()},
		{"Parameters of our own", ownParameters()},
		{"Listeners and TLS", listenParameters()},
		{"Proxy", proxyParameters()},
		{"Database", databaseParameters()},
		{"Database cache and LMDB", cacheParameters()},
		{"Names and addresses", resolverParameters()},
		{"Vaults", vaultParameters()},
		{"Lua, nginx and WebAssembly", runtimeParameters()},
		{"Logs and tracing", logParameters()},
		{"Kong Manager", managerParameters()},
		{"Kong Enterprise", enterpriseParameters()},
	}
}

// index is the table in one piece, and by name.
var index = sync.OnceValues(func() ([]parameter, map[string]*parameter) {
	var all []parameter
	for _, s := range sections() {
		all = append(all, s.lines...)
	}
	byName := make(map[string]*parameter, len(all))
	for i := range all {
		byName[all[i].name] = &all[i]
	}
	return all, byName
})

func table() []parameter {
	all, _ := index()
	return all
}

func lookup(name string) (*parameter, bool) {
	_, byName := index()
	p, ok := byName[name]
	return p, ok
}

// namespace is a set of parameters whose names nobody can list: directives that
// go into nginx's configuration under a name of the user's choice, and the like
// (Kong 3.9 "injected directives").
type namespace struct {
	prefix string
	about  string
	secret bool
}

func namespaces() []namespace {
	return []namespace{
		{prefix: "nginx_main_", about: "directives of nginx's main block"},
		{prefix: "nginx_events_", about: "directives of its events block"},
		{prefix: "nginx_http_", about: "directives of its http block"},
		{prefix: "nginx_upstream_", about: "directives of the proxy's upstream block"},
		{prefix: "nginx_proxy_", about: "directives of the proxy's server block"},
		{prefix: "nginx_location_", about: "directives of the proxy's location block"},
		{prefix: "nginx_status_", about: "directives of the Status API's server block"},
		{prefix: "nginx_admin_", about: "directives of the Admin API's server block"},
		{prefix: "nginx_debug_", about: "directives of the Debug API's server block (Enterprise)"},
		{prefix: "nginx_stream_", about: "directives of the stream block"},
		{prefix: "nginx_supstream_", about: "directives of the stream upstream block"},
		{prefix: "nginx_sproxy_", about: "directives of the stream server block"},
		{prefix: "nginx_wasm_", about: "directives of the wasm block"},
		{prefix: "pluginserver_", about: "socket and commands of an external plugin server"},
		{prefix: "vault_", about: "settings of a vault of one's own", secret: true},
	}
}

// namespaceOf finds the namespace of a name, or nil.
func namespaceOf(name string) *namespace {
	all := namespaces()
	i := slices.IndexFunc(all, func(n namespace) bool { return len(name) > len(n.prefix) && strings.HasPrefix(name, n.prefix) })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// check looks at the value's form alone. The words are those of Kong 3.9.
func (p *parameter) check(value string) error {
	switch p.kind {
	case number:
		if _, err := strconv.ParseFloat(value, 64); err != nil && (value != "" || p.value != "") {
			return sentence(fmt.Sprintf("%s is not a number: '%s'", p.name, short(value)))
		}
	case enum:
		if !slices.Contains(p.enum, value) && (value != "" || p.value != "") {
			return sentence(fmt.Sprintf("%s has an invalid value: '%s' (%s)", p.name, short(value), strings.Join(p.enum, ", ")))
		}
	}
	return nil
}

// short cuts what goes into an error.
func short(text string) string {
	const most = 80
	text = strings.ToValidUTF8(strings.Map(oneLine, text), "?")
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func oneLine(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

var namePattern = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,99}$`)

// isName reports whether text can be the name of a parameter. Names are lower
// case; a known one may be written otherwise.
func isName(text string) bool {
	if namePattern.MatchString(text) {
		return true
	}
	_, ok := lookup(strings.ToLower(text))
	return ok
}
