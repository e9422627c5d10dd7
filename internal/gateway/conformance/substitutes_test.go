// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// substitutes stand for what the recorded server, or the one who asked it, made
// up: <uuid:1> is whatever our server says where the recorded one said
// <uuid:1> first.
type substitutes struct {
	given map[string]string // ours, by placeholder
	part  bool              // the answer that is being compared is a part of a collection
}

func newSubstitutes(t *testing.T) *substitutes {
	t.Helper()
	s := &substitutes{given: map[string]string{}}
	year := 365 * 24 * time.Hour
	for name, template := range map[string]x509.Certificate{
		"1":          {Subject: pkix.Name{CommonName: "one.example"}, NotAfter: time.Now().Add(year)},
		"2":          {Subject: pkix.Name{CommonName: "two.example"}, NotAfter: time.Now().Add(year)},
		"CA1":        {Subject: pkix.Name{CommonName: "CA one"}, IsCA: true, NotAfter: time.Now().Add(year)},
		"CA2":        {Subject: pkix.Name{CommonName: "CA two"}, IsCA: true, NotAfter: time.Now().Add(year)},
		"EXPIRED_CA": {Subject: pkix.Name{CommonName: "CA old"}, IsCA: true, NotAfter: time.Now().Add(-year)},
	} {
		s.certificate(t, name, &template)
	}
	return s
}

func (s *substitutes) certificate(t *testing.T, name string, template *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.BasicConstraintsValid = big.NewInt(1), true
	template.NotBefore = template.NotAfter.Add(-2 * 365 * 24 * time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(der)
	s.given["<CERT"+name+">"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	s.given["<KEY"+name+">"] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	for _, form := range []string{"<CERT_DIGEST%s>", "<CERT_DIGEST_%s>", "<CERT_DIGEST:%s>"} {
		s.given[fmt.Sprintf(form, name)] = hex.EncodeToString(digest[:])
	}
}

var placeholder = regexp.MustCompile(`<[A-Za-z_0-9.:]+>`)

// fill puts our values into a request's path or body.
func (s *substitutes) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, known := s.given[name]
		if !known {
			return name
		}
		escaped, _ := json.Marshal(value) // line ends, in a JSON body
		return strings.Trim(string(escaped), `"`)
	})
}

// sets are the lists that come in any order.
var sets = map[string]bool{"protocols": true, "enabled_plugins": true, "snis": true, "keys": true}

// differ returns where our value is not the recorded one, or "".
func (s *substitutes) differ(at string, have, want any) string {
	switch want := want.(type) {
	case map[string]any:
		got, ok := have.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %s, recorded %s", at, encode(have), encode(want))
		}
		return s.differInMembers(at, got, want)
	case []any:
		got, ok := have.([]any)
		if !ok || len(got) != len(want) {
			return fmt.Sprintf("%s is %s, recorded %s", at, encode(have), encode(want))
		}
		return s.differInElements(at, got, want)
	case string:
		return s.differInText(at, have, want)
	}
	if have != want {
		return fmt.Sprintf("%s is %s, recorded %s", at, encode(have), encode(want))
	}
	return ""
}

func (s *substitutes) differInMembers(at string, have, want map[string]any) string {
	names := map[string]string{} // recorded ones by ours
	for name := range want {
		if ours, known := s.given[name]; known {
			names[ours] = name
			continue
		}
		names[name] = name
	}
	for name := range have {
		if _, recorded := names[name]; !recorded {
			return fmt.Sprintf("%s.%s is %s, and not recorded", at, name, encode(have[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		value, given := have[name]
		if !given {
			return fmt.Sprintf("%s.%s is missing, recorded %s", at, name, encode(want[names[name]]))
		}
		if difference := s.differ(at+"."+name, value, want[names[name]]); difference != "" {
			return difference
		}
	}
	return ""
}

func (s *substitutes) differInElements(at string, have, want []any) string {
	if sets[at[strings.LastIndex(at, ".")+1:]] {
		have, want = slices.Clone(have), slices.Clone(want)
		for _, list := range [][]any{have, want} {
			slices.SortFunc(list, func(a, b any) int { return strings.Compare(s.fill(encode(a)), s.fill(encode(b))) })
		}
	}
	if at == ".data" && strings.Contains(encode(want), `"id":"<uuid:`) {
		return s.differInAnyOrder(at, have, want)
	}
	for i := range want {
		if difference := s.differ(fmt.Sprintf("%s[%d]", at, i), have[i], want[i]); difference != "" {
			return difference
		}
	}
	return ""
}

// differInAnyOrder compares lists that stand in the order of ids that the
// servers made up. What page an entity is on then differs too, so that of a part
// of a collection only the number counts.
func (s *substitutes) differInAnyOrder(at string, have, want []any) string {
	for _, wanted := range want {
		tried := substitutes{given: maps.Clone(s.given), part: s.part}
		found := slices.IndexFunc(have, func(element any) bool {
			tried.given = maps.Clone(s.given)
			return tried.differ("", element, wanted) == ""
		})
		if found < 0 && !s.part {
			return fmt.Sprintf("%s has no %s, but %s", at, encode(wanted), encode(have))
		}
		if found >= 0 {
			s.given = tried.given
			have = slices.Delete(slices.Clone(have), found, found+1)
		}
	}
	return ""
}

func (s *substitutes) differInText(at string, have any, want string) string {
	kind, _, _ := strings.Cut(strings.Trim(want, "<>"), ":")
	switch kind {
	case "ts", "ts.ms", "ttl":
		number, ok := have.(float64)
		if !ok || kind != "ts.ms" && number != math.Trunc(number) || number <= 0 {
			return fmt.Sprintf("%s is %s, recorded %s", at, encode(have), want)
		}
		return ""
	case "random32", "hash32":
		if text, ok := have.(string); !ok || len(text) != 32 {
			return fmt.Sprintf("%s is %s, recorded %s", at, encode(have), want)
		}
		return ""
	}
	text, ok := have.(string)
	if !ok {
		return fmt.Sprintf("%s is %s, recorded %s", at, encode(have), encode(want))
	}
	if names := placeholder.FindAllString(want, -1); len(names) == 1 {
		s.learn(names[0], text, want)
	}
	if ours := s.plain(want); text != ours {
		return fmt.Sprintf("%s is %s, recorded %s", at, encode(text), encode(want))
	}
	return ""
}

// learn notes what our server has said where the recorded one has made
// something up.
func (s *substitutes) learn(name, text, want string) {
	if _, known := s.given[name]; known {
		return
	}
	before, after, _ := strings.Cut(want, name)
	if inner, ok := strings.CutPrefix(text, before); ok {
		if inner, ok = strings.CutSuffix(inner, after); ok {
			s.given[name] = inner
		}
	}
}

func (s *substitutes) plain(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		if value, known := s.given[name]; known {
			return value
		}
		return name
	})
}
