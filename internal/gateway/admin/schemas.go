// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"fmt"
	"net/http"

	"blackout/internal/gateway/entity"
)

// schema is GET /schemas/{entity}.
func (c *call) schema(name string) {
	fields := otherSchemas[name]
	if schema := entity.Lookup(name); schema != nil {
		fields = schema.Fields
	}
	if fields == nil {
		c.message(http.StatusNotFound, fmt.Sprintf("No entity named '%s'", name))
		return
	}
	c.sendSchema(name, fields)
}

// pluginSchema is GET /schemas/plugins/{name}.
func (c *call) pluginSchema(name string) {
	plugin := entity.KnownPlugin(name)
	if plugin == nil || !c.handler.enabled(name) {
		c.message(http.StatusNotFound, fmt.Sprintf("No plugin named '%s'", name))
		return
	}
	c.sendSchema("plugins/"+name, plugin.Own())
}

// vaultSchema is GET /schemas/vaults/{name}.
func (c *call) vaultSchema(name string) {
	schema := entity.Vaults.Variant(entity.Record{"name": name})
	if schema == nil {
		c.message(http.StatusNotFound, fmt.Sprintf("No vault named '%s'", name))
		return
	}
	c.sendSchema("vaults/"+name, []entity.Field{*schema.Field("config")})
}

// validate is POST /schemas/{entity}/validate.
func (c *call) validate(name string) {
	schema := entity.Lookup(name)
	if schema == nil {
		c.message(http.StatusNotFound, fmt.Sprintf("No entity named '%s'", name))
		return
	}
	input, err := resource{schema: schema}.input(c)
	if err == nil {
		_, err = schemaOf(schema, input).Complete(input)
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.message(http.StatusOK, "schema validation successful")
}

func (c *call) sendSchema(name string, fields []entity.Field) {
	c.send(http.StatusOK, map[string]any{"fields": describeAll(name, fields), "entity_checks": []any{}})
}

// describeAll writes fields as Kong's schema endpoints do: a list of objects of
// one member each. Clients take types and defaults from it.
func describeAll(owner string, fields []entity.Field) []any {
	list := make([]any, 0, len(fields))
	for i := range fields {
		field := &fields[i]
		if field.Hidden || field.Alias != nil {
			continue
		}
		described := describe(field)
		for name, value := range spelledOut[owner+"."+field.Name] {
			described[name] = value
		}
		list = append(list, map[string]any{field.Name: described})
	}
	return list
}

func describe(field *entity.Field) map[string]any {
	described := map[string]any{"type": field.Kind.String()}
	for name, flag := range map[string]bool{
		"required": field.Required, "auto": field.Auto, "unique": field.Unique, "referenceable": field.Secret,
	} {
		if flag {
			described[name] = true
		}
	}
	for name, value := range map[string]any{"default": field.Default, "one_of": listed(field.OneOf), "not_one_of": listed(field.NotOneOf)} {
		if value != nil {
			described[name] = value
		}
	}
	if field.Min != field.Max {
		described["between"] = []int64{field.Min, field.Max}
	}
	if field.Above {
		described["gt"] = 0
	}
	if field.MinLen > 0 {
		described["len_min"] = field.MinLen
	}
	if field.Null != "" {
		described["eq"] = nil
	}
	describeParts(field, described)
	return described
}

func listed(values []any) any {
	if len(values) == 0 {
		return nil
	}
	return values
}

// describeParts adds what a field is made of.
func describeParts(field *entity.Field, described map[string]any) {
	switch field.Kind {
	case entity.Foreign:
		described["reference"] = field.Reference
		if field.Cascade {
			described["on_delete"] = "cascade"
		}
	case entity.Array, entity.Set:
		described["elements"] = describeElement(field.Element)
	case entity.Map:
		described["keys"], described["values"] = describeElement(field.Keys), describeElement(field.Element)
	case entity.Object:
		described["fields"] = describeAll("", field.Fields)
		if older := describeAliases(field.Fields); len(older) > 0 {
			described["shorthand_fields"] = older
		}
	}
}

// describeAliases writes the older names of fields, with the way to the fields
// that they stand for.
func describeAliases(fields []entity.Field) []any {
	var list []any
	for i := range fields {
		field := &fields[i]
		if field.Alias == nil {
			continue
		}
		list = append(list, map[string]any{field.Name: map[string]any{
			"type": field.Kind.String(), "translate_backwards": field.Alias,
			"deprecation": map[string]any{"replaced_with": []any{map[string]any{"path": field.Alias}}},
		}})
	}
	return list
}

// describeElement describes an element, a text if the table says nothing of it.
func describeElement(field *entity.Field) map[string]any {
	if field == nil {
		return map[string]any{"type": entity.Text.String()}
	}
	return describe(field)
}

// spelledOut are attributes of fields that go without saying, and that Kong's
// schemas say all the same.
var spelledOut = map[string]map[string]any{
	"services.tls_verify_depth": {"default": nil},
	"plugins.route":             {"default": nil},
	"plugins.service":           {"default": nil},
	"plugins.consumer":          {"default": nil},
	"certificates.cert_alt":     {"required": false},
	"certificates.key_alt":      {"required": false},
	"certificates.snis":         {"required": false},
	"keyauth_credentials.key":   {"required": false},
	"jwt_secrets.key":           {"required": false},
	"filter_chains.route":       {"default": nil},
	"filter_chains.service":     {"default": nil},
	"keys.set":                  {"required": false},
	"keys.name":                 {"required": false},
	"keys.kid":                  {"unique": false},
	"keys.pem":                  {"required": false},
	"key_sets.name":             {"required": false},
}

// otherSchemas are the fields of the collections that Kong describes too and
// that are no entities here.
var otherSchemas = map[string][]entity.Field{
	"workspaces": {
		{Name: "id", Kind: entity.Text, Auto: true}, {Name: "name", Kind: entity.Text, Required: true, Unique: true},
		{Name: "comment", Kind: entity.Text}, {Name: "created_at", Kind: entity.Integer, Auto: true},
		{Name: "updated_at", Kind: entity.Integer, Auto: true}, {Name: "meta", Kind: entity.Object, Required: true},
		{Name: "config", Kind: entity.Object, Required: true},
	},
	"filter_chains": {
		{Name: "id", Kind: entity.Text, Auto: true}, {Name: "name", Kind: entity.Text, Unique: true},
		{Name: "enabled", Kind: entity.Boolean, Required: true, Default: true},
		{Name: "route", Kind: entity.Foreign, Reference: "routes", Unique: true, Cascade: true},
		{Name: "service", Kind: entity.Foreign, Reference: "services", Unique: true, Cascade: true},
		{Name: "filters", Kind: entity.Array, Required: true, Element: &entity.Field{Kind: entity.Object}},
		{Name: "created_at", Kind: entity.Integer, Auto: true}, {Name: "updated_at", Kind: entity.Integer, Auto: true},
		{Name: "tags", Kind: entity.Set},
	},
	"tags": {
		{Name: "tag", Kind: entity.Text, Required: true}, {Name: "entity_name", Kind: entity.Text, Required: true},
		{Name: "entity_id", Kind: entity.Text, Required: true, Auto: true},
	},
	"parameters": {
		{Name: "created_at", Kind: entity.Integer, Auto: true}, {Name: "key", Kind: entity.Text, Required: true, Unique: true},
		{Name: "value", Kind: entity.Text, Required: true},
	},
	"clustering_data_planes": {
		{Name: "id", Kind: entity.Text, Required: true, Auto: true}, {Name: "last_seen", Kind: entity.Integer, Auto: true},
		{Name: "updated_at", Kind: entity.Integer, Auto: true}, {Name: "ip", Kind: entity.Text, Required: true},
		{Name: "config_hash", Kind: entity.Text}, {Name: "hostname", Kind: entity.Text, Required: true},
		{Name: "version", Kind: entity.Text}, {Name: "sync_status", Kind: entity.Text, Required: true, Default: "unknown"},
		{Name: "labels", Kind: entity.Map}, {Name: "cert_details", Kind: entity.Object, Required: true},
		{Name: "rpc_capabilities", Kind: entity.Set},
	},
}
