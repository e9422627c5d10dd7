// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// minSecret is the length of the shortest secret that can be looked for, in
// bytes.
const minSecret = 8

// redacted stands where a secret was.
const redacted = "[redacted]"

// redactor replaces secrets in texts.
type redactor struct {
	secrets  []string // as they were given
	forms    []string // all that is looked for
	replacer *strings.Replacer
}

// add takes secrets up and returns how many there are now.
func (r *redactor) add(secrets ...string) (known int, err error) {
	for _, secret := range secrets {
		if secret == "" || slices.Contains(r.secrets, secret) {
			continue
		}
		if len(secret) < minSecret {
			err = fmt.Errorf("redact: a secret has %d bytes; give it at least %d, or it would be found in everything", len(secret), minSecret)
			continue
		}
		r.secrets = append(r.secrets, secret)
		r.forms = append(r.forms, forms(secret)...)
	}
	// Of two that begin at the same place the longer one counts.
	slices.SortFunc(r.forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(r.forms))
	for _, f := range r.forms {
		pairs = append(pairs, f, redacted)
	}
	r.replacer = strings.NewReplacer(pairs...)
	return len(r.secrets), err
}

// scrub is text without secrets, and whether it held one.
func (r *redactor) scrub(text string) (clean string, found bool) {
	if r.replacer == nil || text == "" {
		return text, false
	}
	clean = r.replacer.Replace(text)
	return clean, clean != text
}

// maxText bounds a text of an event, in bytes. A line of the file is read as a
// whole, and what a node writes is not in the harness's hands.
const maxText = 1 << 16

// clean takes the secrets out of every text of an event, cuts what is too long, and
// says whether it held a secret.
func (r *redactor) clean(e *Event) (found bool) {
	for _, text := range []*string{&e.Node, &e.Edge, &e.Text, &e.Error, &e.Rule, &e.Encryption, &e.Digest} {
		clean, had := r.scrub(*text)
		if len(clean) > maxText {
			clean = strings.ToValidUTF8(clean[:maxText], "") + "… (cut)"
		}
		*text, found = clean, found || had
	}
	return found
}

// wroteItself says whether an event's text comes from its node, which then let a
// secret out, and not from the harness.
func (e Event) wroteItself() bool {
	return slices.Contains([]Kind{NodeLog, NodeExit, NodeListens, ReadyChange, ConfigHash, ListedHash, ListedSync, StoreRequest}, e.Kind)
}

// forms are the ways in which a secret may stand in a text. Of one that has
// several lines, such as a private key, each line is looked for by itself: it
// betrays the key, and it is found however the line breaks are written.
func forms(secret string) []string {
	parts := []string{secret}
	for line := range strings.Lines(secret) {
		line = strings.TrimSpace(line)
		if len(line) >= minSecret && line != secret && !strings.HasPrefix(line, "-----") {
			parts = append(parts, line)
		}
	}
	var out []string
	for _, part := range parts {
		out = append(out, part, inJSON(part, true), inJSON(part, false), url.QueryEscape(part),
			base64.RawStdEncoding.EncodeToString([]byte(part)), base64.RawURLEncoding.EncodeToString([]byte(part)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// inJSON is a text as it stands inside a JSON string, written by a program that
// escapes for HTML too or by one that does not.
func inJSON(text string, html bool) string {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(html)
	if out.Encode(text) != nil {
		return text
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}
