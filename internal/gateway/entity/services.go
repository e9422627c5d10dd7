// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

const maxInt32 = 1<<31 - 1

// timeFields are the times in whole seconds that most entities carry.
var (
	idField      = Field{Name: "id", Kind: Text, Auto: true, Check: checkUUID}
	createdField = Field{Name: "created_at", Kind: Integer, Auto: true, Check: checkTime}
	updatedField = Field{Name: "updated_at", Kind: Integer, Auto: true, Loose: true}
	tagsField    = Field{Name: "tags", Kind: Set, Element: &Field{Kind: Text, Check: checkTag}}
	nameField    = Field{Name: "name", Kind: Text, Unique: true, Check: checkName}
)

var protocols = []any{"grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp"}

// timeout is a field in milliseconds.
func timeout(name string) Field {
	return Field{Name: name, Kind: Integer, Default: 60000.0, Min: 1, Max: maxInt32 - 1}
}

func port(name string, value float64) Field {
	return Field{Name: name, Kind: Integer, Default: value, Min: 0, Max: 65535}
}

// flag is a boolean field that always has a value.
func flag(name string, value bool) Field {
	return Field{Name: name, Kind: Boolean, Required: true, Default: value}
}

// Services is the schema of Kong 3.9 services.
var Services = &Schema{
	Name: "services", Path: "services", Key: "name",
	Fields: []Field{
		idField, createdField, updatedField, nameField,
		{Name: "retries", Kind: Integer, Default: 5.0, Min: 0, Max: 32767},
		{Name: "protocol", Kind: Text, Required: true, Default: "http", OneOf: protocols},
		{Name: "host", Kind: Text, Required: true, Check: checkHost},
		{Name: "port", Kind: Integer, Required: true, Default: 80.0, Min: 0, Max: 65535},
		{Name: "path", Kind: Text, Check: checkPath},
		timeout("connect_timeout"), timeout("write_timeout"), timeout("read_timeout"),
		tagsField,
		{Name: "client_certificate", Kind: Foreign, Reference: "certificates"},
		{Name: "tls_verify", Kind: Boolean},
		{Name: "tls_verify_depth", Kind: Integer, Min: 0, Max: 64},
		{Name: "ca_certificates", Kind: Array, Element: &Field{Kind: Text, Check: checkUUID}},
		flag("enabled", true),
	},
	Checks: []Check{
		onlyNull("path", when("protocol", "tcp", "tls", "udp", "grpc", "grpcs")),
		onlyNull("client_certificate", unless("protocol", "https", "tls")),
		onlyNull("tls_verify", unless("protocol", "https", "tls")),
		onlyNull("tls_verify_depth", unless("protocol", "https", "tls")),
		onlyNull("ca_certificates", unless("protocol", "https", "tls")),
	},
}

// addresses is a route's "sources" or "destinations".
func addresses(name string) Field {
	return Field{Name: name, Kind: Set, Element: &Field{Kind: Object, Fields: []Field{
		{Name: "ip", Kind: Text, Check: checkIPOrCIDR},
		{Name: "port", Kind: Integer, Min: 0, Max: 65535},
	}, Checks: []Check{atLeastOneOf("ip", "port")}}}
}

// Routes is the schema of Kong 3.9 routes with the flavours "traditional" and
// "traditional_compatible" of the router. A route's first protocol decides which
// matchers it may have.
var Routes = &Schema{
	Name: "routes", Path: "routes", Key: "name",
	Narrowing:  []string{"expression"}, // of the router's flavour "expressions"
	Fields:     routeFields,
	VariantKey: "protocols",
	Variant:    routeVariant,
	Unknown:    "unknown type: %s",
}

var routeFields = []Field{
	idField, createdField, updatedField, nameField,
	{Name: "protocols", Kind: Set, Required: true, MinLen: 1, Default: []any{"http", "https"},
		Element: &Field{Kind: Text, OneOf: protocols}, Check: checkProtocols},
	{Name: "https_redirect_status_code", Kind: Integer, Required: true, Default: 426.0,
		OneOf: []any{426.0, 301.0, 302.0, 307.0, 308.0}},
	flag("strip_path", true), flag("preserve_host", false), flag("request_buffering", true), flag("response_buffering", true),
	tagsField,
	{Name: "service", Kind: Foreign, Reference: "services"},
	{Name: "snis", Kind: Set, Element: &Field{Kind: Text, Check: checkRouteSNI}},
	addresses("sources"), addresses("destinations"),
	{Name: "methods", Kind: Set, Element: &Field{Kind: Text, Check: checkMethod}},
	{Name: "hosts", Kind: Array, Element: &Field{Kind: Text, Check: checkRouteHost}},
	{Name: "paths", Kind: Array, Element: &Field{Kind: Text, Check: checkRoutePath}},
	{Name: "headers", Kind: Map, Keys: &Field{Kind: Text, Check: checkRouteHeader}, Element: &Field{Kind: Array, Element: &Field{Kind: Text}}},
	{Name: "regex_priority", Kind: Integer, Default: 0.0},
	{Name: "path_handling", Kind: Text, Default: "v0", OneOf: []any{"v0", "v1"}},
}

var (
	httpRoutes = &Schema{Name: "routes",
		Fields: without(routeFields, "cannot set '%s' when 'protocols' is 'http' or 'https'", "sources", "destinations"),
		Checks: []Check{snisNeedTLS, matchers("https", "http", "methods", "hosts", "headers", "paths")},
	}
	streamRoutes = &Schema{Name: "routes",
		Fields: without(routeFields, "cannot set '%s' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'", "methods", "hosts", "paths", "headers"),
		Checks: []Check{snisNeedTLS, streamMatchers},
	}
	grpcRoutes = &Schema{Name: "routes",
		Fields: replace(without(routeFields, "cannot set '%s' when 'protocols' is 'grpc' or 'grpcs'", "methods", "sources", "destinations"),
			Field{Name: "strip_path", Kind: Boolean, Required: true, Default: false, Check: checkNoStripPath}),
		Checks: []Check{snisNeedTLS, matchers("grpcs", "grpc", "hosts", "headers", "paths")},
	}
)

func routeVariant(record Record) *Schema {
	list, _ := record["protocols"].([]any)
	if len(list) == 0 {
		return httpRoutes
	}
	switch list[0] {
	case "http", "https":
		return httpRoutes
	case "tcp", "tls", "udp", "tls_passthrough":
		return streamRoutes
	case "grpc", "grpcs":
		return grpcRoutes
	}
	return nil
}
