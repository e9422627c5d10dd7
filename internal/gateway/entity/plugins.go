// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

// Plugins is the schema of Kong 3.9 plugins; a plugin's name decides which
// configuration it takes.
var Plugins = &Schema{
	Name: "plugins", Path: "plugins", Key: "instance_name",
	Fields:     pluginFields,
	Narrowing:  []string{"consumer_group"},
	Together:   [][]string{{"name", "route", "service", "consumer"}},
	VariantKey: "name",
	Open:       true,
	Unknown:    "plugin '%s' not enabled; add it to the 'plugins' configuration property",
	Variant: func(record Record) *Schema {
		if plugin := PluginSchema(record.Name()); plugin != nil {
			return plugin.Schema
		}
		return nil
	},
}

var httpProtocols = []any{"grpc", "grpcs", "http", "https"}

var pluginFields = []Field{
	idField,
	{Name: "name", Kind: Text, Required: true},
	{Name: "instance_name", Kind: Text, Unique: true, Check: checkName},
	createdField, updatedField,
	{Name: "route", Kind: Foreign, Reference: "routes", Cascade: true},
	{Name: "service", Kind: Foreign, Reference: "services", Cascade: true},
	{Name: "consumer", Kind: Foreign, Reference: "consumers", Cascade: true},
	{Name: "config", Kind: Object},
	{Name: "protocols", Kind: Set, Required: true, Default: httpProtocols, Element: &Field{Kind: Text, OneOf: protocols}},
	flag("enabled", true),
	tagsField,
}

// Plugin is what there is to know of one plugin: the schema of its entities,
// and the version and priority under which Kong lists it. Plugins of higher
// priority run first.
type Plugin struct {
	Name     string
	Version  string
	Priority int
	Schema   *Schema
}

// Own returns the fields in which the plugin's schema differs from that of all
// plugins; a schema endpoint shows these alone.
func (p *Plugin) Own() []Field {
	var own []Field
	for _, name := range []string{"consumer", "protocols", "config"} {
		field := p.Schema.Field(name)
		if name != "consumer" || field.Null != "" {
			own = append(own, *field)
		}
	}
	return own
}

// PluginVersion is the version of every bundled plugin of Kong 3.9.1.
const PluginVersion = "3.9.1"

// AllPlugins returns the plugins that this gateway runs, by falling priority.
func AllPlugins() []*Plugin {
	return []*Plugin{keyAuth, ipRestriction, rateLimiting, requestTransformer, responseTransformer, requestTermination}
}

// PluginSchema returns the plugin of that name, or nil if this gateway has none.
func PluginSchema(name string) *Plugin {
	switch name {
	case keyAuth.Name:
		return keyAuth
	case ipRestriction.Name:
		return ipRestriction
	case rateLimiting.Name:
		return rateLimiting
	case requestTransformer.Name:
		return requestTransformer
	case responseTransformer.Name:
		return responseTransformer
	case requestTermination.Name:
		return requestTermination
	}
	return nil
}

// newPlugin builds a plugin's schema of that of all plugins and what is its own.
func newPlugin(name string, priority int, config Field, fields []Field, checks ...Check) *Plugin {
	config.Name, config.Kind, config.Required = "config", Object, true
	own := append([]Field{
		config,
		{Name: "protocols", Kind: Set, Required: true, Default: httpProtocols, Element: &Field{Kind: Text, OneOf: httpProtocols}},
	}, fields...)
	return &Plugin{Name: name, Version: PluginVersion, Priority: priority,
		Schema: &Schema{Name: "plugins", Fields: replace(pluginFields, own...), Checks: checks}}
}
