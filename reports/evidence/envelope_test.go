// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
)

// TestStrictEnvelope: the same envelope in another encoding, and one with more in it.
func TestStrictEnvelope(t *testing.T) {
	t.Parallel()
	private, public := keys(t)
	sealed, err := seal(small(), private)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSuffix(string(sealed), "\n")
	sig := line[strings.Index(line, `"sig":"`)+len(`"sig":"`) : len(line)-len(`"}]}`)]
	payload := line[len(`{"payload":"`):strings.Index(line, `","payloadType`)]
	for name, c := range map[string]struct{ old, new string }{
		"white space":             {`,"payloadType"`, `, "payloadType"`},
		"an unknown field":        {`{"payload":`, `{"x":1,"payload":`},
		"a field twice":           {`,"payloadType":`, `,"payloadType":"` + payloadType + `","payloadType":`},
		"a field in capitals":     {`"payloadType":`, `"PayloadType":`},
		"an escaped character":    {`"payload":`, `"paylo\u0061d":`},
		"a second signature":      {`}]}`, `},{"keyid":"","sig":""}]}`},
		"no signature":            {line[strings.Index(line, `[`):], `[]}`},
		"an unknown key":          {`"keyid":"`, `"keyid":"0`},
		"no key":                  {public.ID(), ``},
		"a field of a signature":  {`{"keyid":`, `{"cert":"","keyid":`},
		"trailing data":           {`}]}`, `}]}{}`},
		"trailing white space":    {`}]}`, `}]} `},
		"a second line":           {`}]}`, "}]}\n"},
		"no padding":              {sig, strings.TrimRight(sig, "=")},
		"a break in base64":       {sig, sig[:8] + `\n` + sig[8:]},
		"left-over bits":          {sig, leftOver(t, sig)},
		"base64 for URLs":         {sig, urlSafe(t, sig)},
		"another type":            {payloadType, "application/json"},
		"another payload":         {payload, base64.StdEncoding.EncodeToString([]byte("{}"))},
		"no payload":              {payload, ``},
		"null":                    {line, `null`},
		"a list":                  {line, `[]`},
		"nothing":                 {line, ``},
		"not even JSON":           {line, `PASSED`},
		"a signature of nothing":  {sig, base64.StdEncoding.EncodeToString(make([]byte, ed25519.SignatureSize))},
		"a signature that is cut": {sig, base64.StdEncoding.EncodeToString(make([]byte, 3))},
	} {
		changed := strings.Replace(line, c.old, c.new, 1) + "\n"
		if changed == string(sealed) {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := open([]byte(changed), public); err == nil {
			t.Errorf("%s: it was taken: %s", name, changed)
		}
	}
	if _, err := open([]byte(line), public); err == nil {
		t.Error("without its end: it was taken")
	}
}

// leftOver is base64 of the same bytes, with bits that no byte is made of.
func leftOver(t *testing.T, text string) string {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	body := strings.TrimRight(text, "=")
	last := strings.IndexByte(alphabet, body[len(body)-1])
	changed := body[:len(body)-1] + string(alphabet[last|1]) + text[len(body):]
	if changed == text || len(body) == len(text) {
		t.Fatalf("%s has no bits left over", text)
	}
	return changed
}

// urlSafe is the text in the alphabet for URLs; one without the two characters that differ
// is cut, which is no good either.
func urlSafe(t *testing.T, text string) string {
	t.Helper()
	changed := strings.NewReplacer("+", "-", "/", "_").Replace(text)
	if changed == text {
		return text[4:]
	}
	return changed
}

// TestPayloadType: what was signed as something else is no statement.
func TestPayloadType(t *testing.T) {
	t.Parallel()
	private, public := keys(t)
	payload, err := encode(small())
	if err != nil {
		t.Fatal(err)
	}
	const other = "application/json"
	sealed, err := encode(envelope{Payload: payload, PayloadType: other,
		Signatures: []signature{{KeyID: public.ID(), Sig: ed25519.Sign(private.key, preAuthentication(other, payload))}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(append(sealed, '\n'), public); err == nil || !strings.Contains(err.Error(), other) {
		t.Errorf("got %v, want a refusal that names the type", err)
	}
}

// TestStrictStatement: somebody who has the key signs what Sign would not.
func TestStrictStatement(t *testing.T) {
	t.Parallel()
	private, public := keys(t)
	good, err := encode(small())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, says string }{
		"as it is":             {"", "", ""},
		"another type":         {"Statement/v1", "Statement/v2", "of type"},
		"another predicate":    {"test-result/v0.1", "test-result/v0.2", "predicate"},
		"another result":       {"PASSED", "WARNED", "WARNED"},
		"a field twice":        {`"result":`, `"result":"FAILED","result":`, "one encoding"},
		"an unknown field":     {`"result":`, `"mood":1,"result":`, "mood"},
		"about nothing":        {`[{"name":"report.json","digest":{"sha256":"` + digest + `"}}]`, `[]`, "about nothing"},
		"a name elsewhere":     {"report.json", "../report.json", "no file"},
		"an absolute name":     {"report.json", "/report.json", "no file"},
		"a name twice":         {`"subject":[`, `"subject":[{"name":"report.json","digest":{"sha256":"` + digest + `"}},`, "twice"},
		"a digest in capitals": {digest, strings.ToUpper(digest), "no SHA-256"},
		"a short digest":       {digest, digest[1:], "no SHA-256"},
		"other digests":        {`{"sha256":`, `{"md5":"","sha256":`, "md5"},
	} {
		payload := []byte(strings.Replace(string(good), c.old, c.new, 1))
		sealed, err := encode(envelope{Payload: payload, PayloadType: payloadType,
			Signatures: []signature{{KeyID: public.ID(), Sig: ed25519.Sign(private.key, preAuthentication(payloadType, payload))}}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = open(append(sealed, '\n'), public)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want what says %q", name, err, c.says)
		}
	}
}

func FuzzOpen(f *testing.F) {
	path := f.TempDir() + "/key"
	if _, err := MakeKey(path); err != nil {
		f.Fatal(err)
	}
	private, err := ReadPrivateKey(path)
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := seal(small(), private)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := open(text, private.Public()); err == nil && string(text) != string(sealed) {
			t.Errorf("%q was taken", text)
		}
	})
}
