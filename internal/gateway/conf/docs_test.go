// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conf

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/gateway-configuration.md")

// TestDocumentationIsTheTable keeps the page true: it is made from the table.
// After a change of the table run
//
//	go test ./internal/gateway/conf -run TestDocumentationIsTheTable -update
func TestDocumentationIsTheTable(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "docs", "gateway-configuration.md")
	want := document()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the table says; run this test with -update", path)
	}
}

func document() string {
	var page strings.Builder
	page.WriteString(preamble)
	for _, s := range sections() {
		fmt.Fprintf(&page, "\n### %s\n\n| parameter | kind | default | here | |\n| --- | --- | --- | --- | --- |\n", s.title)
		for i := range s.lines {
			page.WriteString(s.lines[i].row())
		}
	}
	page.WriteString("\n### Directives of nginx and the like\n\nParameters whose names start so are accepted and have no effect:\n\n")
	for _, n := range namespaces() {
		fmt.Fprintf(&page, "- `%s…`: %s\n", n.prefix, n.about)
	}
	return page.String()
}

func (p *parameter) row() string {
	form := p.kind.String()
	if p.kind == enum {
		form = "`" + strings.Join(p.enum, "`, `") + "`"
	}
	value := p.value
	if value != "" {
		value = "`" + value + "`"
	}
	about := p.about
	if p.enterprise {
		about += " Enterprise."
	}
	if p.secret {
		about += " Secret."
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", p.name, form, value, p.state(), about)
}

func (p *parameter) state() string {
	switch {
	case p.set == nil:
		return "no effect"
	case p.inert:
		return "checked, not used yet"
	}
	return "yes"
}

const preamble = `# The gateway's configuration

The reference gateway reads the parameters of Kong 3.9's kong.conf, under the same names and with the same defaults, and
some of its own, which start with ` + "`blackout_`" + `. This page is made from the table in ` + "`internal/gateway/conf`" + `.

## Where a value comes from

The first of these that has one counts:

1. the command line: ` + "`gateway --set name=value`" + `, as often as needed;
2. the environment: ` + "`KONG_`" + ` and the name in upper case;
3. the file: ` + "`gateway -c FILE`" + `, or else ` + "`/etc/kong/kong.conf`" + `, or else ` + "`/etc/kong.conf`" + `;
4. the default.

The file has one ` + "`name = value`" + ` on a line. A ` + "`#`" + ` starts a comment, also after a value; ` + "`\\#`" + ` is the sign itself. A line
that ends in a backslash goes on in the next one. Lists are separated by commas. Booleans are true for ` + "`on`" + ` and ` + "`true`" + `, and
false for everything else. PEM is given as a path, as text, or as text in base64; in a file only as a path or in base64.

- A parameter that Kong knows and that has no effect here is accepted. The log names it, once, in a warning at the start.
- A parameter that does not exist is an error, in the file and in the environment; the error names the nearest one. (Kong
  does not mind.) Variables that Kubernetes and Docker make for a service called ` + "`kong-…`" + `, such as
  ` + "`KONG_PROXY_SERVICE_HOST`" + ` and ` + "`KONG_PROXY_PORT_80_TCP`" + `, are none and are passed over.
- A node that cannot start says why in one line, in Kong's words where Kong has some, and exits with 1.

## Secrets

A value, or an element of a list, may be a reference to the environment: ` + "`{vault://env/pg-password}`" + ` is the variable
` + "`PG_PASSWORD`" + `, and ` + "`{vault://env/pg/password}`" + ` the member ` + "`password`" + ` of the JSON object in ` + "`PG`" + `. ` + "`vault_env_prefix`" + `, or
` + "`?prefix=`" + ` in a reference, goes before the name. A reference that cannot be resolved stops the node. There are no other vaults.

No secret is in a log line, an error, or an answer. ` + "`GET /`" + ` of the Admin API (` + "`configuration`" + `), the data plane's first message
(` + "`process_conf`" + `) and ` + "`<prefix>/.kong_env`" + ` show the parameters below that are secret as ` + "`******`" + `, and a value that came through
a reference as the reference. Kong writes its secrets to ` + "`.kong_env`" + `, because its other processes read them there; nothing reads the
file here, so they are left out.

## Parameters

"here" says what the reference gateway does with one. An empty default means unset.
`
