// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package conf reads a node's configuration: a kong.conf file and KONG_*
// environment variables, under the names and with the defaults of Kong 3.9.
// Its central type is [Config].
//
//	config, err := conf.Load(conf.Source{File: "kong.conf", Environ: os.Environ()})
//	for _, key := range config.Ignored { … } // known to Kong, without effect here
//
// A variable beats the file, and the file beats the default. Parameters of
// our own start with blackout_; their durations are in Go's syntax ("1.5s").
package conf

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// Role is what a node does in hybrid mode.
type Role string

// The roles of hybrid mode.
const (
	ControlPlane Role = "control_plane"
	DataPlane    Role = "data_plane"
)

// Config is a node's whole configuration, checked.
type Config struct {
	Role     Role
	Prefix   string // directory that the node may write to
	NodeID   string // empty: the node makes and keeps its own
	LogLevel string // debug, info, notice, warn, error or crit

	ProxyListen  []string // "host:port"; empty means off
	AdminListen  []string
	StatusListen []string
	Cluster      Cluster

	DBUpdateFrequency time.Duration // pushes to data planes are this far apart at least
	SQLitePath        string        // control plane only

	Version       string // version in the handshake and the Server header
	BucketVersion string // version in the fallback object's key
	Fallback      Fallback
	Timing        Timing

	// Ignored names the given parameters that Kong knows and that have no
	// effect here, sorted.
	Ignored []string
}

// Cluster is how control plane and data plane meet.
type Cluster struct {
	Listen       []string
	ControlPlane string // "host:port" that a data plane dials
	Certificate  []byte // PEM
	Key          []byte // PEM; secret
	MaxPayload   int64  // bytes of one compressed configuration
	PurgeDelay   time.Duration
	Labels       map[string]string
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
}

// Timing holds the timers that Kong has as constants. Their defaults are Kong's.
type Timing struct {
	ReconnectMin, ReconnectMax time.Duration
	PingInterval               time.Duration
	Silence                    time.Duration // without a frame before a peer is given up
	DialTimeout                time.Duration // TCP, TLS and upgrade together
	NoConfigurationWait        time.Duration // connected without a configuration
}

// Source says where a configuration is read from.
type Source struct {
	File    string   // path of a kong.conf; empty means none
	Environ []string // "KEY=value", as os.Environ gives it
}

// Load reads and checks a configuration. The error is one line that says what
// to change; where Kong has a sentence for it, it is Kong's.
func Load(source Source) (*Config, error) {
	given, err := collect(source)
	if err != nil {
		return nil, err
	}
	config := &Config{}
	values := make(map[string]string, len(parameters))
	for _, parameter := range parameters {
		values[parameter.name] = parameter.value
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch {
		case strings.HasPrefix(given[name], "{vault://"):
			return nil, fmt.Errorf("%s: vault references are not supported; give the value itself", name)
		case isParameter(name):
			values[name] = given[name]
		case isIgnored(name):
			config.Ignored = append(config.Ignored, name)
		default:
			return nil, fmt.Errorf("unknown parameter %s; correct its name or remove it", name)
		}
	}
	for _, parameter := range parameters {
		if err := parameter.set(config, values[parameter.name]); err != nil {
			return nil, fmt.Errorf("%s: %w", parameter.name, err)
		}
	}
	return config, config.check(values)
}

// collect merges the file and the variables under the parameters' names.
func collect(source Source) (map[string]string, error) {
	given := map[string]string{}
	if source.File != "" {
		text, err := os.ReadFile(source.File)
		if err != nil {
			return nil, fmt.Errorf("read the configuration file: %w", err)
		}
		if given, err = parseFile(string(text)); err != nil {
			return nil, fmt.Errorf("configuration file %s: %w", source.File, err)
		}
	}
	for _, variable := range source.Environ {
		name, value, _ := strings.Cut(variable, "=")
		if key, ok := strings.CutPrefix(name, "KONG_"); ok {
			given[strings.ToLower(key)] = value
		}
	}
	return given, nil
}

// parseFile reads the lines of a kong.conf: "key = value", with comments from
// an unescaped # to the end of the line.
func parseFile(text string) (map[string]string, error) {
	given := map[string]string{}
	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(stripComment(line))
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" {
			return nil, fmt.Errorf("line %d: expected key = value", number+1)
		}
		given[strings.ToLower(key)] = strings.TrimSpace(value)
	}
	return given, nil
}

func stripComment(line string) string {
	for i := 0; i < len(line); i++ {
		if line[i] == '#' && (i == 0 || line[i-1] != '\\') {
			line = line[:i]
		}
	}
	return strings.ReplaceAll(line, `\#`, "#")
}

// check looks at the parameters together.
func (c *Config) check(values map[string]string) error {
	if len(c.Cluster.Certificate) == 0 || len(c.Cluster.Key) == 0 {
		return errors.New("cluster certificate and key must be provided to use Hybrid mode")
	}
	if c.Timing.ReconnectMin > c.Timing.ReconnectMax {
		return errors.New("blackout_reconnect_min must not be greater than blackout_reconnect_max")
	}
	if c.Role == ControlPlane {
		return c.checkControlPlane(values["database"])
	}
	return c.checkDataPlane(values["database"])
}

func (c *Config) checkControlPlane(database string) error {
	switch {
	case len(c.AdminListen) == 0:
		return errors.New(`admin_listen must be specified when role = "control_plane"`)
	case len(c.Cluster.Listen) == 0:
		return errors.New(`cluster_listen must be specified when role = "control_plane"`)
	case database == "off":
		return errors.New(`in-memory storage can not be used when role = "control_plane"`)
	case database != "sqlite":
		return fmt.Errorf("database %s is not supported by this control plane; set database = sqlite", database)
	}
	return nil
}

func (c *Config) checkDataPlane(database string) error {
	switch {
	case len(c.ProxyListen) == 0:
		return errors.New(`proxy_listen must be specified when role = "data_plane"`)
	case database != "off":
		return errors.New(`only in-memory storage can be used when role = "data_plane" (Hint: set database = off in your kong.conf)`)
	}
	return nil
}
