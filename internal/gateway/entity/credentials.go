// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import "slices"

// credentials are those of plugins that data planes of this gateway do not run,
// and real ones do: a control plane keeps them, and a data plane carries them.
var credentials = []*Schema{ACLs, BasicAuthCredentials, HMACAuthCredentials, JWTSecrets, OAuth2Credentials}

// Credentials returns the schemas of a consumer's credentials for plugins that
// this gateway does not run. They are not in [All].
func Credentials() []*Schema { return slices.Clone(credentials) }

var consumerField = Field{Name: "consumer", Kind: Foreign, Reference: "consumers", Required: true, Cascade: true}

// ACLs is the schema of a consumer's groups, for the plugin acl (Kong 3.9).
var ACLs = &Schema{
	Name: "acls", Path: "acls", Key: "group",
	Fields: []Field{
		idField, createdField, consumerField,
		{Name: "group", Kind: Text, Required: true},
		tagsField,
	},
	Together: [][]string{{"consumer", "group"}},
}

// BasicAuthCredentials is the schema of the credentials of the plugin basic-auth
// (Kong 3.9). The password is kept as its hash; see [HashPassword].
var BasicAuthCredentials = &Schema{
	Name: "basicauth_credentials", Path: "basic-auths", Nested: "basic-auth", Key: "username",
	Fields: []Field{
		idField, createdField, consumerField,
		{Name: "username", Kind: Text, Required: true, Unique: true},
		{Name: "password", Kind: Text, Required: true, Secret: true},
		tagsField,
	},
}

// HMACAuthCredentials is the schema of the credentials of the plugin hmac-auth
// (Kong 3.9).
var HMACAuthCredentials = &Schema{
	Name: "hmacauth_credentials", Path: "hmac-auths", Nested: "hmac-auth", Key: "username",
	Fields: []Field{
		idField, createdField, consumerField,
		{Name: "username", Kind: Text, Required: true, Unique: true},
		{Name: "secret", Kind: Text, Auto: true, Secret: true},
		tagsField,
	},
	derive: makeKeys("secret"),
}

// JWTSecrets is the schema of the credentials of the plugin jwt (Kong 3.9).
var JWTSecrets = &Schema{
	Name: "jwt_secrets", Path: "jwts", Nested: "jwt", Key: "key",
	Fields: []Field{
		idField, createdField, consumerField,
		{Name: "key", Kind: Text, Auto: true, Unique: true},
		{Name: "secret", Kind: Text, Auto: true, Secret: true},
		{Name: "rsa_public_key", Kind: Text, Secret: true},
		{Name: "algorithm", Kind: Text, Default: "HS256", OneOf: append([]any{"HS256", "HS384", "HS512"}, asymmetric...)},
		tagsField,
	},
	Checks: []Check{required("rsa_public_key", when("algorithm", asymmetric...))},
	derive: makeKeys("key", "secret"),
}

var asymmetric = []any{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}

// OAuth2Credentials is the schema of the credentials of the plugin oauth2
// (Kong 3.9).
var OAuth2Credentials = &Schema{
	Name: "oauth2_credentials", Path: "oauth2", Key: "client_id",
	Fields: []Field{
		idField, createdField, consumerField,
		{Name: "name", Kind: Text, Required: true},
		{Name: "client_id", Kind: Text, Auto: true, Unique: true},
		{Name: "client_secret", Kind: Text, Auto: true, Secret: true},
		flag("hash_secret", false),
		{Name: "redirect_uris", Kind: Array, Element: &Field{Kind: Text}},
		tagsField,
		{Name: "client_type", Kind: Text, Required: true, Default: "confidential", OneOf: []any{"confidential", "public"}},
	},
	derive: makeKeys("client_id", "client_secret"),
}

// makeKeys makes the keys that a record was given none of.
func makeKeys(fields ...string) func(Record) {
	return func(record Record) {
		for _, field := range fields {
			if record[field] == nil {
				record[field] = randomKey()
			}
		}
	}
}
