// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

// Consumers is the schema of Kong 3.9 consumers.
var Consumers = &Schema{
	Name: "consumers", Path: "consumers", Key: "username",
	Fields: []Field{
		idField, createdField, updatedField,
		{Name: "username", Kind: Text, Unique: true},
		{Name: "custom_id", Kind: Text, Unique: true},
		tagsField,
	},
	Checks: []Check{atLeastOneOf("custom_id", "username")},
}

// KeyAuthCredentials is the schema of the credentials of the plugin key-auth
// (Kong 3.9). They have no updated_at; ttl counts seconds on input and is the
// time of expiry in a configuration.
var KeyAuthCredentials = &Schema{
	Name: "keyauth_credentials", Path: "key-auths", Nested: "key-auth", Key: "key",
	Fields: []Field{
		idField, createdField,
		{Name: "consumer", Kind: Foreign, Reference: "consumers", Required: true, Cascade: true},
		{Name: "key", Kind: Text, Auto: true, Unique: true, Secret: true},
		tagsField,
		{Name: "ttl", Kind: Integer, Hidden: true},
	},
	derive: func(record Record) {
		if record["key"] == nil {
			record["key"] = randomKey()
		}
	},
}
