// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package conf reads a node's configuration: a kong.conf file and KONG_*
// environment variables, under the names and with the defaults of Kong 3.9.
// Its central type is [Config].
//
//	config, err := conf.Load(conf.Source{Search: conf.DefaultFiles(), Environ: os.Environ()})
//	for _, key := range config.Ignored { … } // known to Kong, without effect here
//	log.Info("started", "configuration", config.Redacted()) // no secret in it
//
// What the command line sets beats a variable, a variable beats the file, and
// the file beats the default. A value may be a reference to a secret that is
// in the environment, {vault://env/name}.
//
// One table holds all parameters of Kong 3.9's kong.conf, in the files
// table_*.go: it drives reading, defaults, checks and redaction, and
// docs/gateway-configuration.md is made from it. Parameters of our own start
// with blackout_; their durations are in Go's syntax ("1.5s").
package conf

import (
	"net/netip"
	"time"
)

// Role is what a node does in hybrid mode.
type Role string

// The roles of hybrid mode.
const (
	ControlPlane Role = "control_plane"
	DataPlane    Role = "data_plane"
)

// Database is where a node keeps what the Admin API configures.
type Database string

// The databases. A data plane has none; a control plane that is not told
// otherwise uses SQLite, which Kong does not have.
const (
	NoDatabase Database = "off"
	SQLite     Database = "sqlite"
	PostgreSQL Database = "postgres"
)

// MTLS is how the nodes of a cluster know each other (Kong 3.9 cluster_mtls).
type MTLS string

// The ways of mutual TLS.
const (
	SharedMTLS MTLS = "shared" // all show the same certificate
	PKI        MTLS = "pki"    // each shows its own, issued by the cluster's CA
)

// Config is a node's whole configuration, checked.
type Config struct {
	Role     Role
	Prefix   string // directory that the node may write to
	NodeID   string // empty: the node makes its own
	LogLevel string // debug, info, notice, warn, error, crit, alert or emerg

	ProxyListen  []Listener // empty means off
	AdminListen  []Listener
	StatusListen []Listener
	Cluster      Cluster

	// Certificates of the TLS listeners; none means that the node makes its own.
	ProxyTLS, AdminTLS, StatusTLS []KeyPair

	Database          Database
	Postgres          Postgres
	SQLitePath        string        // file; a control plane's
	DBUpdateFrequency time.Duration // pushes to data planes are this far apart at least
	PushEmpty         bool          // also a database that was emptied by nobody is published
	TakeEmpty         bool          // also an empty configuration that is the first of a connection is taken
	AdminMaxBody      int64         // bytes of a request to the Admin API; 0 means no limit

	Proxy Proxy
	Trust Trust

	// Plugins are the names of those that are enabled and that this gateway
	// has, sorted. OtherPlugins are enabled too, and are Kong's alone.
	Plugins, OtherPlugins []string

	// Advertised are the plugins that a data plane tells its control plane of,
	// sorted; nil stands for Plugins. See [Config.KeepsOnly].
	Advertised []Plugin

	DeclarativeConfig       string // path of a declarative configuration; empty means none
	DeclarativeConfigString string // the same as text; secret
	DeclarativeOrder        DeclarativeOrder

	Version       string // version in the handshake and the Server header
	BucketVersion string // version in the fallback object's key
	Fallback      Fallback
	Timing        Timing

	// Ignored names the given parameters that Kong knows and that have no
	// effect here, sorted.
	Ignored []string

	shown []shown // for Redacted, in the table's order
}

// DeclarativeOrder says what comes first at a data plane's start.
type DeclarativeOrder string

// The orders of blackout_declarative_config_order.
const (
	CacheFirst DeclarativeOrder = "cache-first" // the cache; the declarative configuration only without one
	FileFirst  DeclarativeOrder = "file-first"  // the declarative configuration, which replaces the cache
)

// Cluster is how control plane and data plane meet.
type Cluster struct {
	Listen       []Listener // always with the cluster's TLS
	ControlPlane string     // "host:port" that a data plane dials
	MTLS         MTLS
	Certificate  []byte // PEM; the leaf first
	Key          []byte // PEM; secret
	CA           []byte // PEM of what issued the peers' certificates, with PKI. A data plane without it trusts [Trust]
	ServerName   string // with PKI: the name that the control plane's certificate must have
	MaxPayload   int64  // bytes of one compressed configuration
	PurgeDelay   time.Duration
	Labels       map[string]string
}

// KeyPair is a certificate with its private key, both PEM; the key is secret.
type KeyPair struct{ Certificate, Key []byte }

// Postgres is where the control plane's PostgreSQL is (Kong 3.9 pg_*).
type Postgres struct {
	Host     string
	Port     int
	User     string
	Password string // secret
	Database string
	Schema   string // empty: the server's search_path

	SSL         bool // asks for TLS, and does without if the server has none
	SSLRequired bool // with SSL: does not do without
	SSLVerify   bool // with SSL: checks the server's certificate against [Trust]
	SSLVersion  string
	ClientTLS   *KeyPair // for mutual TLS, nil for none

	Timeout              time.Duration // of connecting, reading and writing
	MaxConcurrentQueries int           // 0: no limit
	SemaphoreTimeout     time.Duration // longest wait for one of them
	KeepaliveTimeout     time.Duration // of an idle connection; 0: no limit
	PoolSize             int           // idle connections
	Backlog              int           // longest queue for a connection; -1: connections are not limited
}

// Proxy tunes the data plane's proxy.
type Proxy struct {
	// Headers are the headers that answers get, lower case, with server_tokens
	// and latency_tokens resolved into what they stand for.
	Headers         []string
	HeadersUpstream []string // headers that requests to upstreams get, lower case

	AllowDebugHeader bool // Kong-Debug: 1 is answered with Kong-Route-Id and its like

	// TrustedIPs are the peers whose X-Forwarded-* headers are believed.
	TrustedIPs      []netip.Prefix
	RealIPHeader    string // names the client of a trusted peer's request
	RealIPRecursive bool   // the client is the last address there that is not trusted

	KeepalivePoolSize    int           // idle connections for each upstream; 0: none is kept
	KeepaliveMaxRequests int           // over one connection; 0: no limit
	KeepaliveIdleTimeout time.Duration // 0: no limit
}

// Trust is what connections that the node itself opens are checked against
// (Kong 3.9 lua_ssl_trusted_certificate, lua_ssl_verify_depth).
type Trust struct {
	System bool   // the host's own authorities
	PEM    []byte // further ones
	Depth  int    // intermediate certificates that may stand between a certificate and an authority
}

// Fallback are the parameters of the configuration's copy in object storage.
// Whether they make sense together is for the fallback package to say.
type Fallback struct {
	Import, Export bool
	Storage        string
	ExportDelay    time.Duration
	S3Config       string
	ReadAttempts   int
	ReadTimeout    time.Duration // of one attempt
	Election       bool          // among the nodes that export
	Lease          time.Duration // how long the one that writes may be silent
	Check          time.Duration // how often it looks at what it wrote
	MaxSize        int           // bytes of the object, as stored and expanded
}

// Timing holds the timers that Kong has as constants. Their defaults are Kong's.
type Timing struct {
	ReconnectMin, ReconnectMax time.Duration
	PingInterval               time.Duration
	Silence                    time.Duration // without a frame before a peer is given up
	DialTimeout                time.Duration // TCP, TLS and upgrade together
	HandshakeTimeout           time.Duration // of TLS, and of the request's header, at the cluster listener (nginx's client_header_timeout)
	NoConfigurationWait        time.Duration // connected without a configuration

	// ReconnectSpread delays the first attempt after an established connection
	// was lost by a further time, drawn from 0 to this. Kong 3.9 has no such
	// delay; it keeps a large fleet from coming back as one.
	ReconnectSpread time.Duration

	// HonourRetryAfter makes a data plane wait as long as a 429 or 503 answer
	// asks for before it tries again. Open-source Kong 3.9 does not look at it.
	HonourRetryAfter bool
}
