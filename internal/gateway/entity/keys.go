// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import "time"

// Certificates is the schema of Kong 3.9 certificates. Their field "snis" is
// virtual: SNIs are entities of their own, and it stays null in a configuration.
var Certificates = &Schema{
	Name: "certificates", Path: "certificates",
	Fields: []Field{
		idField, createdField, updatedField,
		{Name: "cert", Kind: Text, Required: true, Secret: true, Check: checkCertificate},
		{Name: "key", Kind: Text, Required: true, Secret: true, Check: checkPrivateKey},
		{Name: "cert_alt", Kind: Text, Secret: true, Check: checkCertificate},
		{Name: "key_alt", Kind: Text, Secret: true, Check: checkPrivateKey},
		tagsField,
		{Name: "snis", Kind: Array, Element: &Field{Kind: Text, Check: checkRouteSNI}},
	},
	Checks: []Check{allOrNone("cert_alt", "key_alt"), keyFits("cert", "key"), keyFits("cert_alt", "key_alt"), differentKeyTypes},
}

// SNIs is the schema of Kong 3.9 SNIs: the server names that a certificate is
// served for.
var SNIs = &Schema{
	Name: "snis", Path: "snis", Key: "name",
	Fields: []Field{
		idField,
		{Name: "name", Kind: Text, Required: true, Unique: true, Check: checkRouteSNI},
		createdField, updatedField, tagsField,
		{Name: "certificate", Kind: Foreign, Reference: "certificates", Required: true, Cascade: true},
	},
}

// CACertificates is the schema of Kong 3.9 CA certificates. cert_digest is the
// SHA-256 of the certificate's DER form in hexadecimal and follows from cert.
var CACertificates = &Schema{
	Name: "ca_certificates", Path: "ca_certificates",
	Fields: []Field{
		idField, createdField, updatedField,
		{Name: "cert", Kind: Text, Required: true, Check: checkCertificate},
		{Name: "cert_digest", Kind: Text, Unique: true},
		tagsField,
	},
	Checks: []Check{checkCA(time.Now)},
	derive: deriveDigest,
}

// Vaults is the schema of Kong 3.9 vaults. Of the bundled ones the open-source
// edition has "env".
var Vaults = &Schema{
	Name: "vaults", Path: "vaults", Key: "prefix",
	Fields:     vaultFields,
	VariantKey: "name",
	Open:       true,
	Unknown:    "vault '%s' is not installed",
	Variant: func(record Record) *Schema {
		if record["name"] == "env" {
			return envVaults
		}
		return nil
	},
}

var vaultFields = []Field{
	idField,
	{Name: "prefix", Kind: Text, Required: true, Unique: true, NotOneOf: []any{"env"}, Check: checkVaultPrefix},
	{Name: "name", Kind: Text, Required: true},
	{Name: "description", Kind: Text},
	{Name: "config", Kind: Object},
	createdField, updatedField, tagsField,
}

var envVaults = &Schema{Name: "vaults", Fields: replace(vaultFields,
	Field{Name: "config", Kind: Object, Required: true, Fields: []Field{
		{Name: "prefix", Kind: Text, Check: checkEnvPrefix},
	}})}

// KeySets is the schema of Kong 3.9 key sets.
var KeySets = &Schema{
	Name: "key_sets", Path: "key-sets", Key: "name",
	Fields: []Field{
		idField,
		{Name: "name", Kind: Text, Unique: true},
		tagsField, createdField, updatedField,
	},
}

// Keys is the schema of Kong 3.9 keys.
var Keys = &Schema{
	Name: "keys", Path: "keys", Key: "name",
	Fields: []Field{
		idField,
		{Name: "set", Kind: Foreign, Reference: "key_sets", Cascade: true},
		{Name: "name", Kind: Text, Unique: true},
		{Name: "kid", Kind: Text, Required: true},
		{Name: "jwk", Kind: Text, Secret: true},
		{Name: "pem", Kind: Object, Fields: []Field{
			{Name: "private_key", Kind: Text, Secret: true, Check: checkPEMKey},
			{Name: "public_key", Kind: Text, Secret: true, Check: checkPEMKey},
		}},
		tagsField, createdField, updatedField,
	},
	Together: [][]string{{"kid", "set"}},
	Checks:   []Check{notBoth("jwk", "pem"), atLeastOneOf("pem", "jwk"), checkJWK, checkPEM},
}
