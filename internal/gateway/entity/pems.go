// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"time"
)

// errNoPEM says that a text holds no PEM block. Errors here never quote the
// text: it may be a private key.
var errNoPEM = errors.New("no PEM block found")

// parseCertificate reads the first certificate of a PEM text.
func parseCertificate(text string) (*x509.Certificate, error) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errNoPEM
		}
		if strings.HasSuffix(block.Type, "CERTIFICATE") {
			return x509.ParseCertificate(block.Bytes)
		}
	}
}

func checkCertificate(value any) string {
	if _, err := parseCertificate(value.(string)); err != nil {
		return "invalid certificate: " + err.Error()
	}
	return ""
}

func checkPrivateKey(value any) string {
	if !hasPrivateKey(value.(string)) {
		return "invalid key: no private key in PEM form found"
	}
	return ""
}

func hasPrivateKey(text string) bool {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return false
		}
		if parsePrivateKey(block.Bytes) != nil {
			return true
		}
	}
}

// parsePrivateKey reads a key in any of its encodings, nil if it is none.
func parsePrivateKey(der []byte) crypto.PrivateKey {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	return nil
}

func keyFits(cert, key string) Check {
	return func(record Record, wrong *Violations) {
		c, k := record.Text(cert), record.Text(key)
		if c == "" || k == "" || wrong.has(cert) || wrong.has(key) || isVaultReference(c) || isVaultReference(k) {
			return
		}
		if _, err := tls.X509KeyPair([]byte(c), []byte(k)); err != nil {
			wrong.addEntity("certificate does not match key")
		}
	}
}

// differentKeyTypes is the rule that the alternative certificate is there for
// clients that don't take the first one's kind of key.
func differentKeyTypes(record Record, wrong *Violations) {
	if wrong.has("cert") || wrong.has("cert_alt") || record.Text("cert_alt") == "" {
		return
	}
	one, err := parseCertificate(record.Text("cert"))
	if err != nil {
		return
	}
	other, err := parseCertificate(record.Text("cert_alt"))
	if err == nil && one.PublicKeyAlgorithm == other.PublicKeyAlgorithm {
		wrong.addEntity("certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), " +
			"the provided certificates were both of the same type")
	}
}

const certificateExpired = `certificate expired, "Not After" time is in the past`

// checkCA looks at a CA certificate; the clock says whether it has expired.
func checkCA(now func() time.Time) Check {
	return func(record Record, wrong *Violations) {
		text := record.Text("cert")
		if text == "" || wrong.has("cert") {
			return
		}
		if strings.Count(text, "-----BEGIN CERTIFICATE-----") > 1 {
			wrong.addEntity("please submit only one certificate at a time")
			return
		}
		switch certificate, err := parseCertificate(text); {
		case err != nil:
		case certificate.NotAfter.Before(now()) && wrong.received:
			wrong.warnings = append(wrong.warnings, certificateExpired) // as Kong Enterprise since 3.15: a backup outlives a CA
		case certificate.NotAfter.Before(now()):
			wrong.addEntity(certificateExpired)
		case !certificate.IsCA:
			wrong.addEntity(`certificate does not appear to be a CA because it is missing the "CA" basic constraint`)
		}
	}
}

func deriveDigest(record Record) {
	if certificate, err := parseCertificate(record.Text("cert")); err == nil {
		sum := sha256.Sum256(certificate.Raw)
		record["cert_digest"] = hex.EncodeToString(sum[:])
	}
}

// checkJWK looks at a key given as JSON.
func checkJWK(record Record, wrong *Violations) {
	text := record.Text("jwk")
	if text == "" || isVaultReference(text) || wrong.has("jwk") {
		return
	}
	var key map[string]any
	if json.Unmarshal([]byte(text), &key) != nil {
		wrong.addEntity("could not json decode jwk string")
		return
	}
	if key["kid"] != record["kid"] {
		wrong.addEntity("kid in jwk.kid must be equal to keys.kid")
		return
	}
	members := map[any][]string{"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}[key["kty"]]
	ok := len(members) > 0
	for _, member := range members {
		ok = ok && Record(key).Text(member) != ""
	}
	if !ok {
		wrong.addEntity("could not load JWK, likely not a valid key")
	}
}

func checkPEM(record Record, wrong *Violations) {
	keys := record.Sub("pem")
	if keys != nil && !wrong.has("pem") && keys["private_key"] == nil && keys["public_key"] == nil {
		wrong.addEntity("need to supply a PEM formatted public and/or private key.")
	}
}

func checkPEMKey(value any) string {
	if block, _ := pem.Decode([]byte(value.(string))); block == nil {
		return "could not load key, likely not in PEM form"
	}
	return ""
}
